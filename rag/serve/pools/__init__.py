"""Queues and batches: how many requests work at once, who waits, and who is turned away."""
