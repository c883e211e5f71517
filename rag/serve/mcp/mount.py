"""``/mcp`` on the application: streamable HTTP, both protocol versions, behind the server's own keys."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from rag.serve.service import Service

MISSING = "the server lacks MCP; to add it: pip install 'ragwright[mcp]'"


def names_of(service: Service) -> list[str]:
    """Return the names of the collections; [] if the store does not answer yet.

    >>> from types import SimpleNamespace
    >>> names_of(SimpleNamespace(library=SimpleNamespace(names=lambda: ["guide"])))
    ['guide']
    """
    try:
        return service.library.names()
    except Exception:  # noqa: BLE001 - the names are only a help for the reader
        return []


def mount_mcp(app: FastAPI) -> None:
    """Add ``/mcp``; without the package it answers 404 with the install command. ``app.state.mcp`` says which."""
    app.state.mcp = find_spec("mcp") is not None
    if not app.state.mcp:

        @app.api_route("/mcp", methods=["GET", "POST", "DELETE"], include_in_schema=False)
        async def missing() -> JSONResponse:
            return JSONResponse({"error": {"code": "not_found", "message": MISSING, "remedy": ""}}, 404)

        return
    from mcp.server.transport_security import TransportSecuritySettings

    from rag.serve.mcp.local import LocalBackend
    from rag.serve.mcp.server import build_mcp

    settings = app.state.settings
    server = build_mcp(
        LocalBackend(app),
        default_collection=settings.collection,
        # Only if everybody may see them: a key's rights are known per request, these names are sent to all.
        collections=names_of(app.state.service) if len(app.state.keys) == 0 else (),
        write=False,
        search_description=settings.serve.mcp_search_description,
    )
    # The gate has checked Host and key already.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    inner: Any = server.streamable_http_app(
        stateless_http=True, json_response=True, streamable_http_path="/mcp", transport_security=security
    )
    app.router.routes.extend(inner.routes)
    app.state.lifespans.append(server.session_manager.run)
