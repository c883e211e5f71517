"""Fine-tune a sentence-transformers embedder."""
