"""Encoding cache of ingestion and evaluation: a text that a model encoded before is not encoded again.

Vectors are kept as the float32 they were and come back bit for bit, with the milliseconds that their encoding took, so
that a run served from the cache still reports what a question costs. The collection itself could not serve: it holds
the vectors normalised (or quantised) by the engine, its sparse side is pooled over windows already, and what a killed
run had encoded is not in it yet.
"""

from indexes.encoders.cache.encoder import CachedEncoder, CachedPaired, cached

__all__ = ["CachedEncoder", "CachedPaired", "cached"]
