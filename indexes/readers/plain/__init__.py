"""Plain files: text, Markdown, source code, notebooks, records and delimited tables."""
