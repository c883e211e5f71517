"""The server: one process that answers Dify, OpenAI clients, MCP hosts, a browser and Prometheus.

``rag serve`` starts it. The doors (``dify``, ``openai``, ``api``, ``mcp``, ``pages``) only translate; ``service`` does
the work for all of them, within the limits of ``pools``. It needs the extra ``ragwright[serve]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

    from rag.settings import Settings

__all__ = ["create_app"]


def create_app(settings: Settings, **options: Any) -> FastAPI:
    """Build the web application over the store of ``settings``; see ``rag.serve.app.build_app``."""
    from rag.serve.app import build_app

    return build_app(settings, **options)
