"""Merge a base model and its tuned version, and prove the result."""
