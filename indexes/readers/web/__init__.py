"""HTML and e-books."""
