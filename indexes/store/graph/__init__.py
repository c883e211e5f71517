"""Measurement of the recall of a collection's graph (HNSW) on the collection itself."""
