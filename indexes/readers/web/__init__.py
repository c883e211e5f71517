"""Web pages and e-books: one walk over HTML's nodes serves both."""
