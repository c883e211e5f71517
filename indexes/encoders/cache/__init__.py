"""Encoding cache of ingestion and evaluation: a model encodes each text once.

Vectors are kept in float32 and returned bit for bit, with the milliseconds that encoding took, so that a run served
from the cache still reports the cost of a question. The collection cannot serve as the cache: the engine normalises (or
quantises) its vectors, its sparse side is already pooled over windows, and it lacks what a killed run had encoded.
"""

from indexes.encoders.cache.encoder import CachedEncoder, CachedPaired, cached

__all__ = ["CachedEncoder", "CachedPaired", "cached"]
