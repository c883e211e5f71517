"""Passages that come again nearly word for word: MinHash signatures and the table of passages seen."""
