"""Convert our types to Qdrant's, for users of ``qdrant_client``: servers, LlamaIndex's store, and callers.

Imported only on demand, as it imports ``qdrant_client``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from typing import Any

from qdrant_client.http import models as qdrant

from indexes.store import models

_UNCHECKED = ("Record", "ScoredPoint", "QueryResponse", "SparseVector")  # large, with values of the right types


def to_qdrant(value: Any) -> Any:
    """Convert one of our types to Qdrant's, also inside lists and dicts; other values are returned unchanged.

    >>> to_qdrant(models.PointIdsList(points=[1, 2]))
    PointIdsList(points=[1, 2], shard_key=None)
    """
    if isinstance(value, (str, bytes, int, float)) and not isinstance(value, Enum):
        return value
    if isinstance(value, (list, tuple)):
        return value if value and isinstance(value[0], (int, float, str)) else type(value)(map(to_qdrant, value))
    if type(value) is dict:
        return {key: to_qdrant(item) for key, item in value.items()}
    if type(value).__module__ != models.__name__:
        return value
    made = getattr(qdrant, type(value).__name__)
    if isinstance(value, Enum):
        return made(value.value)
    names = value.names if isinstance(value, models.Word) else [item.name for item in fields(value)]
    given = {name: to_qdrant(getattr(value, name)) for name in names}
    if type(value).__name__ in _UNCHECKED:
        return made.model_construct(**given)
    return made(**{name: item for name, item in given.items() if item is not None})


class Calls:
    """The calls of a ``QdrantClient``, taking our types; results are Qdrant's, which have the same fields.

    >>> from qdrant_client import QdrantClient
    >>> calls = Calls(QdrantClient(":memory:"))
    >>> calls.create_collection("guide", models.VectorParams(size=2, distance=models.Distance.COSINE))
    True
    >>> type(calls.get_collection("guide").config.params.vectors)
    <class 'qdrant_client.http.models.models.VectorParams'>
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return method(*map(to_qdrant, args), **{key: to_qdrant(value) for key, value in kwargs.items()})

        return call
