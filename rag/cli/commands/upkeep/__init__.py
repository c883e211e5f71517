"""Commands that maintain a collection: optimize, copy, verify, delete."""
