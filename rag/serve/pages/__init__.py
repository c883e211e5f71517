"""The pages: ask, search, documents, upload and health, in plain HTML with a few hundred lines of script."""
