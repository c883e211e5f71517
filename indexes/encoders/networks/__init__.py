"""Networks that are read without the library that trained them: checkpoints, tokenizers and BERT's layers."""
