"""Loading of checkpoints: complete ones from a hub's cache without a request, and checks that reject broken ones."""
