"""The embedded engine (Qdrant Edge) behind the call surface of ``qdrant_client``."""
