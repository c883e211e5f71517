"""PDF: pages, their layout, and the order of their text."""
