"""Benchmarks: this package against the usual LlamaIndex recipe, in alternating turns."""
