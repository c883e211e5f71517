"""Encoders whose weights come in a package, for machines without a model hub."""
