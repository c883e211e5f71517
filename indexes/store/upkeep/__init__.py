"""Maintenance of whole collections: building and measuring the graph."""
