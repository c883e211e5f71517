"""Loading of checkpoints: whole ones from a hub's cache without a request, and a probe that refuses broken ones."""
