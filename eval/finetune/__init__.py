"""Fine-tuning: train embedders and rerankers, and prove the gain on held-out questions."""
