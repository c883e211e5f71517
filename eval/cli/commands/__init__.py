"""One file a command of ``rag-eval``."""
