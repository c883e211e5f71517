"""Fine-tune a cross-encoder on the candidates of the pipeline."""
