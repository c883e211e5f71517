"""Office files: Word, PowerPoint and Excel, and the zip container and table grid they share."""
