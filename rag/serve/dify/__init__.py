"""Dify's external knowledge API: ``POST /retrieval``."""
