"""``search`` and ``ask`` through a running ``rag serve`` of the same store, without loading a model or waiting for a
lock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rag.cli.options import Shared
from rag.cli.output import words

if TYPE_CHECKING:
    from rag.client import Client
    from rag.serve.address import Address


def running_server(shared: Shared) -> Client | None:
    """Return a client of this store's running server if it has the same settings; else None, with a note why."""
    from rag.serve.address import difference, read_address

    if shared.settings.store.url == ":memory:":
        return None
    address = read_address(shared.settings.store)
    if address is None:
        return None
    other = difference(address, shared.settings)
    if other is not None:
        words(
            f"note: the server at {address.url} has a different {other}, so this question is answered without it; "
            f"leave {other} as the server has it to ask the server"
        )
        return None
    return _ready(address)


def holding_server(shared: Shared) -> Client | None:
    """Return a client of this store's running server, whatever its settings; None if it does not answer."""
    from rag.serve.address import read_address

    address = read_address(shared.settings.store)
    return None if address is None else _ready(address)


def _ready(address: Address) -> Client | None:
    from rag.client import Client, ServerError

    client = Client(address.url, key=address.token)
    try:
        client.ready()
    except ServerError:
        return None
    return client


def options_of(shared: Shared, conditions: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings that are sent with a question.

    >>> from types import SimpleNamespace
    >>> from rag.settings import Settings
    >>> options_of(SimpleNamespace(settings=Settings()), ("lang=en",))
    {'filters': ['lang=en'], 'trace': True, 'window': 3, 'fusion': 'minmax', 'hyde': 'off', 'top_k': 5}
    """
    settings = shared.settings
    found: dict[str, Any] = {"filters": list(conditions), "trace": True}
    found |= {"window": settings.retrieval.window, "fusion": settings.retrieval.fusion, "hyde": settings.hyde.mode}
    found["top_k"] = min(100, settings.retrieval.top_n)
    if settings.rerank.provider == "none":
        found["rerank"] = False
    return found


def as_response(found: dict[str, Any], url: str) -> Any:
    """Return a server's answer as ``answering`` prints it.

    >>> as_response({"answer": "At 6 [1].", "status": "answered"}, "http://127.0.0.1:8321").response
    'At 6 [1].'
    """
    trace = {**(found.get("trace") or {}), "server": url}
    notes, citations = list(found.get("notes") or []), list(found.get("citations") or [])
    metadata = {"status": found.get("status"), "notes": notes, "citations": citations, "trace": trace}
    metadata["nearest"] = list(found.get("nearest") or [])
    return SimpleNamespace(response=found.get("answer") or "", metadata=metadata, source_nodes=[])
