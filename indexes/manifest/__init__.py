"""Manifest and journal: the documents of a collection and their points, atomic replacement, and verification."""
