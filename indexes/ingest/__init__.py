"""Ingestion: plan, read, split, encode and store, in three stages side by side."""
