"""MCP: search, ask and read from any host that speaks the Model Context Protocol. Needs ``ragwright[mcp]``."""
