"""The server: one process that answers Dify, OpenAI clients, MCP hosts, a browser and Prometheus.

``rag serve`` starts it. The doors (``dify``, ``openai``, ``api``, ``mcp``, ``pages``) only translate; ``service`` does
the work for all of them, within the limits of ``pools``; ``app.build_app`` builds it over a store. It needs the extra
``ragwright[serve]``.
"""
