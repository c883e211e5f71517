"""Web pages and e-books, read by the same walk over HTML nodes."""
