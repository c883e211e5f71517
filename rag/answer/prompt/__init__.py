"""What the language model is asked: prompts, their budget, the order of passages, language and routing."""
