"""Manifest and journal: which document became which points, how one is replaced whole, and how a collection is
verified.
"""
