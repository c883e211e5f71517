"""Reports of a comparison (terminal, Markdown, LaTeX, JSON, one self-contained HTML page), and the plain tables."""
