"""Commands of ``rag-eval`` that make datasets or write them in another form."""
