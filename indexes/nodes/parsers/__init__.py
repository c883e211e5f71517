"""The LlamaIndex node parsers: one for each way of splitting. Importing them imports LlamaIndex."""
