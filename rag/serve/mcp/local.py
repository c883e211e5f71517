"""The backend of the MCP tools inside the server: its JSON API, called in process with the caller's key."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from rag.serve.keys import AUTHORIZATION
from rag.serve.mcp.remote import RemoteBackend


class LocalBackend(RemoteBackend):
    """Call the application's own routes with the key of the current MCP request.

    >>> import asyncio
    >>> app = FastAPI()
    >>> @app.get("/api/v1/collections")
    ... async def collections():
    ...     return {"collections": [{"name": "guide"}]}
    >>> asyncio.run(LocalBackend(app).collections())
    [{'name': 'guide'}]
    """

    def __init__(self, app: FastAPI) -> None:
        super().__init__("http://127.0.0.1", token="")
        self._app = app

    def _client(self) -> httpx.AsyncClient:
        given = AUTHORIZATION.get()
        headers = {"authorization": given} if given else {}
        transport = httpx.ASGITransport(app=self._app)
        return httpx.AsyncClient(transport=transport, base_url=self.base, headers=headers, timeout=310)
