"""What a user waits for: the start of a command, one question, and the same with other packages."""
