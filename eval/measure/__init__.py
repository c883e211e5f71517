"""Measure: finders, runs, metrics, and the session that builds each pipeline once."""
