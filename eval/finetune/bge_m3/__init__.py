"""Fine-tune BGE-M3's dense, sparse and multi-vector heads together, with FlagEmbedding's trainer."""
