"""Qdrant, embedded or a server: open it, put sentences in, find them by both legs, fetch their neighbours."""
