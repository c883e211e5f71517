"""Reindex: move a collection to another model beside the one in use, then switch."""
