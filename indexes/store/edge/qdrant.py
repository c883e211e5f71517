"""The embedded engine as a ``qdrant_client``. Imported only where somebody asks for one (``index.client``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from qdrant_client.client_base import QdrantBase

from indexes.store.edge.client import EdgeClient
from indexes.store.models.as_qdrant import to_qdrant


class EdgeQdrantClient(QdrantBase):
    """The embedded engine as a ``qdrant_client``: its calls, with Qdrant's own types coming back.

    What the engine does not have raises NotImplementedError, as ``QdrantBase`` says.
    """

    def __init__(self, engine: EdgeClient) -> None:
        super().__init__()
        self.engine = engine

    def __repr__(self) -> str:
        return repr(self.engine)


def _in_qdrants_words(name: str) -> Callable[..., Any]:
    method = getattr(EdgeClient, name)

    @wraps(method)
    def call(self: EdgeQdrantClient, *args: Any, **kwargs: Any) -> Any:
        return to_qdrant(getattr(self.engine, name)(*args, **kwargs))

    return call


for _name in dir(QdrantBase):
    if not _name.startswith("_") and hasattr(EdgeClient, _name):
        setattr(EdgeQdrantClient, _name, _in_qdrants_words(_name))
