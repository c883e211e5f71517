"""The proof: whether a model is better on held-out questions, what it forgot, and its card."""
