"""OpenAI-compatible doors: models, chat completions, embeddings, rerank."""
