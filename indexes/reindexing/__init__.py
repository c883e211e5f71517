"""Reindex: encode a collection with another model beside the one in use, then switch."""
