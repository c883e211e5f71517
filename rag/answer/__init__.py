"""Answers from passages: the prompt (``prompt``), the checks of what came (``check``), and an answer without an LLM."""
