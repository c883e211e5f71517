"""How well the graph (HNSW) over a collection's dense vectors finds, measured on the collection itself."""
