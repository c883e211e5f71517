"""Fine-tune sparse encoders (SPLADE), and prove them in the index beside its dense side."""
