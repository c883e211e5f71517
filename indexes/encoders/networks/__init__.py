"""Networks loaded without the library that trained them: checkpoints, tokenizers and BERT's layers."""
