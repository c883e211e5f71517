"""What a user waits for: a command's start, one question, and what the same takes with other packages."""
