"""Text: sentences, headings, words and characters, with the same rules for readers, splitters and checkers."""
