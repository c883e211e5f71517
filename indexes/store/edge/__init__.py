"""The embedded engine (Qdrant Edge) with the interface of ``qdrant_client``."""
