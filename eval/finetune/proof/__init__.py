"""The proof: better on held-out questions or not, what was forgotten, and the model card."""
