"""Office files: Word, PowerPoint, Excel and OpenDocument text, and their common zip container."""
