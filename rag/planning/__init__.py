"""Arithmetic before the fact: what fits a graphics card, and what a collection of any size takes."""
