"""The pages: ask, search, documents, upload and health, in plain HTML with a little script."""
