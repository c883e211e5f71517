"""The store: a ``Collection`` of sentences (put, count, delete, windows, hybrid search) over an ``Engine``.

The engine is the embedded Qdrant in ``edge/`` or any Qdrant client. Also here: the generations of a collection, and
its points as a LlamaIndex vector store.
"""
