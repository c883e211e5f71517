"""The embedded engine as a ``qdrant_client``, imported only on request (``index.client``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from qdrant_client.client_base import QdrantBase

from indexes.store.models.as_qdrant import to_qdrant


class EdgeQdrantClient(QdrantBase):
    """The embedded engine as a ``qdrant_client``: the same calls, returning Qdrant's types.

    Calls that the engine lacks raise NotImplementedError (from ``QdrantBase``).
    """

    def __init__(self, engine: Any) -> None:
        super().__init__()
        self.engine = engine  # an EdgeClient (not annotated: that module imports this one)

    def __repr__(self) -> str:
        return repr(self.engine)


def _in_qdrants_words(name: str) -> Callable[..., Any]:
    refusal = getattr(QdrantBase, name)

    @wraps(refusal)
    def call(self: EdgeQdrantClient, *args: Any, **kwargs: Any) -> Any:
        method = getattr(self.engine, name, None)
        return refusal(self, *args, **kwargs) if method is None else to_qdrant(method(*args, **kwargs))

    return call


for _name in dir(QdrantBase):
    if not _name.startswith("_"):
        setattr(EdgeQdrantClient, _name, _in_qdrants_words(_name))
