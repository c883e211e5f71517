"""The OpenAI-compatible door: models, chat completions, embeddings, rerank."""
