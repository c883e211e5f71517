"""Measure pipelines: finders, runs, metrics, and the session that builds each pipeline once."""
