"""The speed races: this package against the usual LlamaIndex recipe, alternated in one process."""
