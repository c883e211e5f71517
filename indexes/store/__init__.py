"""The store: a ``Collection`` of sentences (put, count, delete, windows, hybrid search) over an ``Engine``, the
embedded Qdrant in ``edge/`` or any Qdrant client. Its generations, and its points as a LlamaIndex vector store.
"""
