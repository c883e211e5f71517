"""Ingestion: plan, read, split, encode and store, in three concurrent stages."""
