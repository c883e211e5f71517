"""Commands of the server: serve, keys, and MCP on standard input and output."""
