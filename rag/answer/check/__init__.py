"""Checks of an answer: citations and their marks, claims against passages, repetition, orders to a model."""
