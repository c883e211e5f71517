"""Sparse encoders (SPLADE) trained by sentence-transformers, and proved in the index beside its dense side."""
