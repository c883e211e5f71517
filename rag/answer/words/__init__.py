"""Terms, numbers with units, names and negations of sentences, in Chinese and English."""
