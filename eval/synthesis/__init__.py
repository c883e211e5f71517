"""Questions that a language model writes about the passages of an index, checked and resumable."""
