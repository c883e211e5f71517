"""Decide when to reply "not in these documents": floors, signals, and what they were fitted on."""
