"""Fine-tuning: better embedders and rerankers, with the proof beside them."""
