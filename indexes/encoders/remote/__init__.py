"""Encoders on a server: Ollama and OpenAI-compatible embeddings."""
