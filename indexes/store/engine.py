"""Engine: what a collection needs of Qdrant in addition to the calls of a Qdrant client.

The embedded engine (``indexes.store.edge``) is an ``Engine``; ``ClientEngine`` adapts a ``QdrantClient``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from indexes.encoders.base import SparseVector
from indexes.errors import StoreError
from indexes.registry import later
from indexes.store import models
from indexes.store.checks import check_dense, check_sparse
from indexes.store.models.graph import Built, Wanted
from indexes.store.payload import plain_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = later("numpy")

DENSE = "dense"
SPARSE = "sparse"
REQUEST_POINTS = 256  # points in one request to a server
POLL = 0.5  # seconds between two requests for the state of a server that indexes

Kind = Literal["edge", "local", "memory", "server"]


@dataclass(slots=True)
class Hit:
    """A point found by a search. ``payload`` is None until it is read."""

    id: str
    score: float
    payload: dict[str, Any] | None = None


class Leg(NamedTuple):
    """A nearest-neighbour search in one named vector.

    ``ef`` and ``exact`` control a dense search through a graph (HNSW), if there is one.
    """

    name: str
    vector: Any  # float32 (dim,), or a SparseVector
    limit: int
    filters: models.Filter | None = None
    ef: int | None = None
    exact: bool = False


class Lack(NamedTuple):
    """Points found by another leg, to be scored by this one."""

    leg: Leg
    ids: Sequence[str]


class Engine(Protocol):
    """A Qdrant, embedded or not. Calls that are not listed here are made on ``calls``."""

    @property
    def kind(self) -> Kind:
        """The kind of engine: "edge" (embedded), "server", or qdrant-client's "local" and "memory"."""

    @property
    def calls(self) -> Any:
        """An object with the calls of ``qdrant_client``, which takes our types (``indexes.store.models``)."""

    @property
    def client(self) -> Any:
        """A client with Qdrant's own types, on which LlamaIndex's Qdrant store can run."""

    def close(self) -> None:
        """Close the engine; other processes may then open collections of the embedded engine."""

    def collection_metadata(self, collection_name: str) -> dict[str, Any]:
        """Return the metadata of a collection; the embedded engine does not open or lock it for that."""

    def upsert_arrays(
        self,
        collection_name: str,
        ids: Sequence[str | int],
        dense: NDArray[np.float32],
        sparse: Sequence[Any] | None,
        payloads: Sequence[dict[str, Any]],
    ) -> None:
        """Write n points after checking all of them."""

    def query_arrays(self, collection_name: str, legs: Sequence[Leg], *, with_payload: bool) -> list[list[Hit]]:
        """Search all legs in one round trip, best hit first; hits have payloads only if these cost no second one."""

    def payloads(self, collection_name: str, ids: Sequence[str | int]) -> dict[str, dict[str, Any]]:
        """Return id (as text) -> payload; unknown ids are omitted."""

    def scored_payloads(
        self, collection_name: str, ids: Sequence[str], lacks: Sequence[Lack]
    ) -> tuple[dict[str, dict[str, Any]], list[dict[str, float]]]:
        """Return the payloads of points (see ``payloads``), and per leg the scores of the points it lacks."""

    def flush(self, collection_name: str) -> None:
        """Write everything to the disk."""

    def pack(self, collection_name: str) -> bool:
        """Move points from memory into files if there are many; return whether that was done."""

    def optimize(self, collection_name: str, *, graph: Wanted | None, timeout: float) -> Built:
        """Vacuum, and build a graph if one is given; the collection can be searched and written meanwhile."""

    def rewrite(self, collection_name: str) -> bool:
        """Erase deleted points from all files; False if the engine does so itself, at some time."""

    def briefly(self, collection_name: str) -> AbstractContextManager[None]:
        """Hold the collection briefly: another process waits for it instead of failing."""

    def folder(self, collection_name: str) -> Path | None:
        """Return the collection's folder on this machine; None if there is none."""


class ClientEngine:
    """A ``QdrantClient`` as an ``Engine``: a server, or the client's local mode.

    >>> from qdrant_client import QdrantClient
    >>> engine = ClientEngine(QdrantClient(":memory:"))
    >>> engine.kind, engine.folder("guide"), engine.calls.collection_exists("guide")
    ('memory', None, False)
    """

    def __init__(self, client: Any) -> None:
        from qdrant_client.local.qdrant_local import QdrantLocal

        from indexes.store.models.as_qdrant import Calls

        self.client = client
        self.calls = Calls(client)
        self.kind: Kind = "server"
        inner = getattr(client, "_client", client)
        if isinstance(inner, QdrantLocal):
            self.kind = "memory" if inner.location == ":memory:" else "local"

    def close(self) -> None:
        self.client.close()

    def collection_metadata(self, collection_name: str) -> dict[str, Any]:
        return dict(self.client.get_collection(collection_name).config.metadata or {})

    def upsert_arrays(
        self,
        collection_name: str,
        ids: Sequence[str | int],
        dense: NDArray[np.float32],
        sparse: Sequence[Any] | None,
        payloads: Sequence[dict[str, Any]],
    ) -> None:
        plain = [plain_json(payload) for payload in payloads]
        check_dense(dense, dim=dense.shape[1], name=DENSE)  # the server itself rejects a wrong dimension
        check_sparse(sparse or [], name=SPARSE)
        vectors: list[dict[str, Any]] = [{DENSE: row} for row in dense.tolist()]
        for vector, terms in zip(vectors, sparse or [], strict=bool(sparse)):
            vector[SPARSE] = _query_vector(terms)
        from qdrant_client.http.models import PointStruct

        made = [
            PointStruct(id=identity, vector=vector, payload=payload)
            for identity, vector, payload in zip(ids, vectors, plain, strict=True)
        ]
        for start in range(0, len(made), REQUEST_POINTS):
            self.client.upsert(collection_name, points=made[start : start + REQUEST_POINTS])

    def query_arrays(self, collection_name: str, legs: Sequence[Leg], *, with_payload: bool) -> list[list[Hit]]:
        from qdrant_client.http.models import QueryRequest

        from indexes.store.models.as_qdrant import to_qdrant

        requests = [
            QueryRequest(
                query=_query_vector(leg.vector),
                using=leg.name or None,
                limit=leg.limit,
                filter=to_qdrant(leg.filters),
                params=_how(leg),
                with_payload=with_payload,
            )
            for leg in legs
        ]
        answers = self.client.query_batch_points(collection_name, requests=requests)
        return [
            [
                Hit(str(point.id), point.score, (point.payload or {}) if with_payload else None)
                for point in answer.points
            ]
            for answer in answers
        ]

    def payloads(self, collection_name: str, ids: Sequence[str | int]) -> dict[str, dict[str, Any]]:
        found = self.client.retrieve(collection_name, ids=list(ids), with_payload=True, with_vectors=False)
        return {str(record.id): record.payload or {} for record in found}

    def scored_payloads(
        self, collection_name: str, ids: Sequence[str], lacks: Sequence[Lack]
    ) -> tuple[dict[str, dict[str, Any]], list[dict[str, float]]]:
        return (self.payloads(collection_name, ids) if ids else {}), searched_again(self, collection_name, lacks)

    def flush(self, collection_name: str) -> None:
        """Do nothing: a server has written when its call returns."""

    def pack(self, collection_name: str) -> bool:
        return False

    def optimize(self, collection_name: str, *, graph: Wanted | None, timeout: float) -> Built:
        """Set how the server builds its graph and wait until it has indexed; measures nothing."""
        if self.kind != "server" or graph is None:
            return Built(False, None)
        from qdrant_client.http.models import CollectionStatus, HnswConfigDiff

        there = self.client.get_collection(collection_name).config.hnsw_config
        changed = (there.m, there.ef_construct) != (graph.m, graph.ef_construct)
        if changed:
            self.client.update_collection(
                collection_name, hnsw_config=HnswConfigDiff(m=graph.m, ef_construct=graph.ef_construct)
            )
        until = time.monotonic() + timeout
        while self.client.get_collection(collection_name).status != CollectionStatus.GREEN:
            if time.monotonic() > until:
                raise StoreError(
                    f"the server has not finished indexing collection {collection_name!r} within {timeout:.0f} s",
                    remedy="it continues by itself; run 'rag optimize' again later to measure the graph",
                )
            time.sleep(POLL)
        return Built(changed, None)

    def rewrite(self, collection_name: str) -> bool:
        local = getattr(getattr(self.client, "_client", self.client), "collections", {}).get(collection_name)
        connection = getattr(getattr(local, "storage", None), "storage", None)  # to SQLite, of the client's local mode
        if connection is not None:
            connection.execute("VACUUM")
        return self.kind != "server"

    def briefly(self, collection_name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def folder(self, collection_name: str) -> Path | None:
        return None


def searched_again(engine: Engine, name: str, lacks: Sequence[Lack]) -> list[dict[str, float]]:
    """Return per leg the scores of the points it lacks, from a search filtered to these points.

    >>> from types import SimpleNamespace
    >>> def query_arrays(name, legs, with_payload):
    ...     return [[Hit(identity, 0.25) for identity in leg.filters.must[0].has_id] for leg in legs]
    >>> searched_again(SimpleNamespace(query_arrays=query_arrays), "guide", [Lack(Leg(DENSE, None, 50), ["a", "b"])])
    [{'a': 0.25, 'b': 0.25}]
    """
    legs = [
        leg._replace(limit=len(ids), filters=models.Filter(must=[models.HasIdCondition(has_id=list(ids))]))
        for leg, ids in lacks
    ]
    rows = engine.query_arrays(name, legs, with_payload=False) if legs else []
    return [{hit.id: hit.score for hit in hits} for hits in rows]


def _how(leg: Leg) -> Any:
    """Return how a server searches a leg; None: as it likes."""
    if not leg.ef and not leg.exact:
        return None
    from qdrant_client.http.models import AcornSearchParams, SearchParams

    through = leg.filters is not None and not leg.exact
    acorn = AcornSearchParams(enable=True, max_selectivity=1.0) if through else None  # as in the embedded engine
    return SearchParams(hnsw_ef=leg.ef, exact=leg.exact, acorn=acorn)


def _query_vector(vector: Any) -> Any:
    if isinstance(vector, SparseVector):
        from qdrant_client.http.models import SparseVector as QdrantSparseVector

        return QdrantSparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
    return np.asarray(vector, dtype=np.float32).tolist()
