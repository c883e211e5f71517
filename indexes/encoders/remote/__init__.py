"""Encoders behind a server: Ollama and OpenAI-compatible embeddings."""
