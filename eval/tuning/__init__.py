"""Choose settings and thresholds on training questions."""
