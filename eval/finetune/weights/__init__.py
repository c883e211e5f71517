"""Averages of weights: merges, soups, and the curve over the merge weight."""
