"""Commands of ``rag-eval`` that make or convert datasets."""
