"""Fine-tune a cross-encoder on what the pipeline finds."""
