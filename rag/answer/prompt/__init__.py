"""Prompts of the language model: their templates, layouts and budget, the order of passages, follow-ups and routing."""
