"""Queues and batches: how many requests run in parallel, which wait, and which are refused."""
