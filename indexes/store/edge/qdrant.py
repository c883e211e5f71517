"""The embedded engine as a ``qdrant_client``. Imported only where somebody asks for one (``index.client``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from qdrant_client.client_base import QdrantBase

from indexes.store.models.as_qdrant import to_qdrant


class EdgeQdrantClient(QdrantBase):
    """The embedded engine as a ``qdrant_client``: its calls, with Qdrant's own types coming back.

    What the engine does not have raises NotImplementedError, as ``QdrantBase`` says.
    """

    def __init__(self, engine: Any) -> None:
        super().__init__()
        self.engine = engine  # an EdgeClient, which imports this module: it is only called here

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
