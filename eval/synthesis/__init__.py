"""Questions made from the passages of an index by a language model, checked and resumable."""
