"""Text: sentences, headings and characters, as every reader, splitter and checker sees them."""
