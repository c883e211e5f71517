"""Commands of the server: start it, its keys, and MCP on standard input and output."""
