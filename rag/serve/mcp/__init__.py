"""MCP: search, ask and read from any host of the Model Context Protocol. It needs ``ragwright[mcp]``."""
