"""What sentences say: terms, numbers with units, names and negations, in Chinese and English."""
