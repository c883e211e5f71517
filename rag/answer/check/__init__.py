"""What an answer is checked by: citations, markers, terms, numbers, repetition and abstention."""
