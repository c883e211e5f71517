"""Processes that search copies of a collection: the engine holds the GIL for a whole call, so threads do not help."""
