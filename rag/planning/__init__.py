"""Estimates: what fits a graphics card, and what a collection of any size needs."""
