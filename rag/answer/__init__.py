"""Answers from passages: the prompt (``prompt``), the check of the answer (``check``), and answers without an LLM."""
