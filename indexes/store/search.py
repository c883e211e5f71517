"""Both legs of a hybrid search in one round trip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client.http import models

from indexes.encoders.base import SparseVector
from indexes.store.collection import DENSE, SPARSE
from indexes.store.fusion import Method

TIE_MARGIN = 16  # asked beyond the limit, so that equal scores at the cut are cut by id and not by chance


@dataclass(slots=True)
class Hit:
    """One point found. ``payload`` is {} when it was not asked for."""

    id: str
    score: float
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Legs:
    """Hits of each leg, best first, equal scores by id; [] for a leg that was not searched."""

    dense: list[Hit] = field(default_factory=list)
    sparse: list[Hit] = field(default_factory=list)

    def payloads(self) -> dict[str, dict[str, Any]]:
        """id -> payload over both legs."""
        return {hit.id: hit.payload for leg in (self.sparse, self.dense) for hit in leg}

    def scores(self) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """(id, score) of the dense and of the sparse leg, as ``fusion.fuse`` takes them."""
        return [(hit.id, hit.score) for hit in self.dense], [(hit.id, hit.score) for hit in self.sparse]


def search_legs(
    client: Any,
    name: str,
    *,
    dense: NDArray[np.float32] | None,
    sparse: SparseVector | None,
    limit: int,
    filters: models.Filter | None = None,
    with_payload: bool = True,
) -> Legs:
    """Search the dense leg, the sparse leg, or both.

    Args:
        dense: float32 (dim,), or None to leave that leg out.
        sparse: the question's term weights; None or empty leaves that leg out.
        limit: hits a leg.
        filters: applied to both legs.
        with_payload: False leaves the payloads empty.

    Raises:
        CollectionNotFoundError, StoreError (wrong dimension, NaN, no such vector).
    """
    legs: list[tuple[str, Any]] = []
    if dense is not None:
        legs.append((DENSE, dense))
    if sparse is not None and len(sparse):
        legs.append((SPARSE, sparse))
    if not legs or limit <= 0:
        return Legs()
    if hasattr(client, "query_arrays"):
        return _search_embedded(client, name, legs, limit=limit, filters=filters, with_payload=with_payload)
    requests = [
        models.QueryRequest(
            query=_query(vector), using=leg, limit=limit + TIE_MARGIN, filter=filters, with_payload=with_payload
        )
        for leg, vector in legs
    ]
    answers = client.query_batch_points(name, requests=requests)
    found = {
        leg: [Hit(str(point.id), point.score, point.payload or {}) for point in answer.points]
        for (leg, _), answer in zip(legs, answers, strict=True)
    }
    return Legs(dense=_ordered(found.get(DENSE, []), limit), sparse=_ordered(found.get(SPARSE, []), limit))


def complete_legs(
    client: Any, name: str, legs: Legs, *, dense: NDArray[np.float32], sparse: SparseVector
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """(id, score) in the dense and in the sparse leg of every hit of either: both legs score the same candidates.

    A second search, in each leg over the points alone that the other one found. Without it a hit that one leg alone has
    counts there as the other leg's worst, though it may have missed its cut by a hair. A point that shares no term with
    the question scores 0.

    Raises:
        As ``search_legs``.
    """
    of_dense, of_sparse = map(dict, legs.scores())
    ids = list(dict.fromkeys([*of_dense, *of_sparse]))
    asked: list[tuple[dict[str, float], str, Any, list[str]]] = [
        (of_dense, DENSE, dense, [i for i in ids if i not in of_dense]),
        (of_sparse, SPARSE, sparse, [i for i in ids if i not in of_sparse]),
    ]
    asked = [one for one in asked if one[-1]]
    rows = _scores_of(client, name, [one[1:] for one in asked])
    for (scores, *_), found in zip(asked, rows, strict=True):
        scores.update(found)
    return [(i, of_dense[i]) for i in ids if i in of_dense], [(i, of_sparse.get(i, 0.0)) for i in ids]


def _scores_of(client: Any, name: str, asked: list[tuple[str, Any, list[str]]]) -> list[dict[str, float]]:
    """id -> score for each (leg, question's vector, ids), in one round trip; points that do not match are missing."""
    if not asked:
        return []
    filters = [models.Filter(must=[models.HasIdCondition(has_id=list(ids))]) for _, _, ids in asked]
    if hasattr(client, "query_arrays"):
        rows = [
            client.query_arrays(name, [(leg, vector)], limit=len(ids), query_filter=only)[0]
            for (leg, vector, ids), only in zip(asked, filters, strict=True)
        ]
        return [{str(identity): score for identity, score in hits} for hits in rows]
    requests = [
        models.QueryRequest(query=_query(vector), using=leg, limit=len(ids), filter=only, with_payload=False)
        for (leg, vector, ids), only in zip(asked, filters, strict=True)
    ]
    answers = client.query_batch_points(name, requests=requests)
    return [{str(point.id): point.score for point in answer.points} for answer in answers]


def fusable_scores(
    client: Any,
    name: str,
    legs: Legs,
    *,
    dense: NDArray[np.float32] | None,
    sparse: SparseVector | None,
    method: Method,
    score_both: bool = True,
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """(id, score) of the dense and of the sparse leg as ``fusion.fuse`` takes them.

    For "minmax" every hit of either leg is scored by both (``complete_legs``), unless ``score_both`` is off or one leg
    was not searched; the other methods take what each leg found.

    Raises:
        As ``search_legs``.
    """
    if not score_both or method != "minmax" or dense is None or sparse is None or not len(sparse):
        return legs.scores()
    return complete_legs(client, name, legs, dense=dense, sparse=sparse)


def _search_embedded(
    client: Any,
    name: str,
    legs: list[tuple[str, Any]],
    *,
    limit: int,
    filters: models.Filter | None,
    with_payload: bool,
) -> Legs:
    """Search without payloads, then fetch those of both legs' hits together.

    A hit of both legs is read once and none beyond the limit: the same speed where the files are in memory
    (10.9 against 10.9 ms of CPU time at 100,000 points), a third fewer pages read where they are not.
    """
    rows = client.query_arrays(name, legs, limit=limit + TIE_MARGIN, query_filter=filters)
    found = {
        leg: _ordered([Hit(str(identity), score) for identity, score in hits], limit)
        for (leg, _), hits in zip(legs, rows, strict=True)
    }
    if with_payload:
        payloads = client.payloads(name, list({hit.id for hits in found.values() for hit in hits}))
        for hits in found.values():
            for hit in hits:
                hit.payload = payloads.get(hit.id, {})
    return Legs(dense=found.get(DENSE, []), sparse=found.get(SPARSE, []))


def _query(vector: Any) -> Any:
    if isinstance(vector, SparseVector):
        return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
    return np.asarray(vector, dtype=np.float32).tolist()


def _ordered(hits: list[Hit], limit: int) -> list[Hit]:
    hits.sort(key=lambda hit: (-hit.score, hit.id))
    return hits[:limit]
