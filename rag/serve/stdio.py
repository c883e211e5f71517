"""``rag mcp``: the tools on standard input and output, over a running server, or opening the store for each call."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from rag.serve.address import read_address
from rag.serve.errors import Problem
from rag.serve.mcp.remote import RemoteBackend
from rag.serve.mcp.server import build_mcp
from rag.settings import Settings

HEALTH_SECONDS = 2.0


def serve_stdio(settings: Settings, *, write: bool = False) -> None:
    """Serve MCP until the host closes standard input."""
    with _wire_kept_clean():
        server = build_mcp(
            StoreBackend(settings),
            default_collection=settings.collection,
            write=write,
            search_description=settings.serve.mcp_search_description,
        )
        server.run()


@contextmanager
def _wire_kept_clean() -> Iterator[None]:
    """Keep standard output for the protocol: what a library prints, in Python or in C, goes to stderr."""
    wire = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    before = sys.stdout
    sys.stdout = os.fdopen(wire, "w", encoding="utf-8", newline="\n")
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        sys.stdout = before


class StoreBackend(RemoteBackend):
    """Call a running ``rag serve`` of the store; without one, open the store for the duration of a call.

    The models stay loaded between calls. Two such processes take turns at an embedded store.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__("http://ragwright", token="")
        self._settings = settings
        self._models: dict[str, Any] = {}
        self._turn = asyncio.Lock()

    async def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        address = read_address(self._settings.store)
        if address is not None and await _answers(address.url):
            backend = RemoteBackend(address.url, token=address.token)
            return await backend._call(method, path, **options)
        # The error is raised here: raised inside, it would leave the app's task groups as an exception group.
        failed: Problem | None = None
        found: dict[str, Any] = {}
        async with self._turn, self._opened() as backend:
            try:
                found = await backend._call(method, path, **options)
            except Problem as problem:
                failed = problem
        if failed is not None:
            raise failed
        return found

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[RemoteBackend]:
        from rag.serve.app import build_app
        from rag.serve.keys import KeyRing
        from rag.serve.library import Library
        from rag.serve.mcp.local import LocalBackend

        library = await asyncio.to_thread(Library, self._settings)
        if hasattr(library.engine, "patience"):  # another such process may have its turn
            library.engine.patience = self._settings.store.wait
        if not self._models:
            await asyncio.to_thread(library.load)
            self._models = {
                "encoder": library.encoder.inner if library.encoder is not None else None,
                "reranker": library.reranker,
                "llm": library.llm,
            }
        else:
            library._given = self._models["encoder"]
            library.reranker, library.llm = self._models["reranker"], self._models["llm"]
            library.load()
        no_keys = Path(os.devnull).with_name("no-keys-of-ragwright")
        app = build_app(self._settings, library=library, keys=KeyRing(no_keys), load=False)
        async with app.router.lifespan_context(app):
            app.state.service.state = "ready"
            yield LocalBackend(app)


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=HEALTH_SECONDS, trust_env=False) as client:
            return (await client.get(f"{url}/healthz")).status_code == 200
    except httpx.HTTPError:
        return False
