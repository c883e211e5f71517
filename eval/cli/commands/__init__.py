"""The commands of ``rag-eval``, one per file."""
