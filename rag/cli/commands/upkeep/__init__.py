"""Commands that keep a collection in order: optimize, copy, verify, delete."""
