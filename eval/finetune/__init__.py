"""Fine-tuning: a model trained on the pipeline's own mistakes, and the proof that it got better."""
