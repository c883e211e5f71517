"""The steps of a hybrid search: search both legs in one round trip, score each hit in both, rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from indexes.encoders.base import SparseVector
from indexes.store import models
from indexes.store.engine import Engine, Hit, Lack, Leg
from indexes.store.fusion import SCALED, Method, fuse, longness, supported
from indexes.store.models.graph import RECALL, Choice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TIE_MARGIN = 16  # hits requested beyond the limit, so that ties at the limit are resolved by id

Scores = list[tuple[str, float]]  # (id, score)
LegScores = tuple[Scores, Scores]  # of the dense leg and the sparse leg
Vectors: TypeAlias = "tuple[NDArray[np.float32] | None, SparseVector | None]"  # of a question


@dataclass(slots=True)
class HybridHit:
    """A point found by a hybrid search.

    Args:
        id: point id.
        score: fused score.
        payload: the stored payload.
        dense_rank, sparse_rank: 1-based rank in each leg; None if not among the leg's hits.
        dense_score, sparse_score: score in each leg; may be set without a rank (``score_both``).
    """

    id: str
    score: float
    payload: dict[str, Any]
    dense_rank: int | None = None
    dense_score: float | None = None
    sparse_rank: int | None = None
    sparse_score: float | None = None


class LegHit(Protocol):
    """What the fusion reads of a hit."""

    @property
    def id(self) -> str: ...
    @property
    def payload(self) -> dict[str, Any] | None: ...


class Searched(Protocol):
    """What a search needs of a collection."""

    engine: Engine
    name: str
    dense_name: str
    sparse_name: str

    def how_to_search(self, ef: int | None, recall: float, *, filtered: bool = False) -> Choice:
        """Decide how to search the dense leg."""


def hybrid(
    collection: Searched,
    questions: Sequence[Vectors],
    *,
    limit: int,
    sparse_limit: int | None = None,
    filters: Any = None,
    method: Method = "minmax",
    dense_weight: float = 1.0,
    sparse_weight: float = 1.0,
    rrf_k: int = 60,
    score_both: bool = True,
    long_sparse: float = 0.0,
    long_near: float = 0.0,
    ef: int | None = None,
    recall: float = RECALL,
    note: Callable[[str], object] | None = None,
    stage: Callable[[str], AbstractContextManager[Any]] = nullcontext,
) -> list[list[HybridHit]]:
    """Search one collection for several questions in one call of its engine; return the hits of each.

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> def query_arrays(name, legs, with_payload):
    ...     return [[Hit("a", 0.9, {"text": "It rains."}), Hit("b", 0.5, {"text": "It snows."})] for leg in legs]
    >>> engine = SimpleNamespace(query_arrays=query_arrays, scored_payloads=None)
    >>> collection = SimpleNamespace(engine=engine, name="guide", dense_name="dense", sparse_name="sparse")
    >>> collection.how_to_search = lambda ef, recall, filtered: Choice()
    >>> found = hybrid(collection, [(np.array([1, 0], np.float32), None)], limit=2)
    >>> [(hit.payload["text"], hit.dense_rank, hit.sparse_rank) for hit in found[0]]
    [('It rains.', 1, None), ('It snows.', 2, None)]

    Args:
        questions: (dense, sparse) of each.
        limit and the others: as in ``Collection.hybrid_search``; the stages are entered once for all questions.
    """
    dense_name, sparse_name = collection.dense_name, collection.sparse_name
    with stage("search"):
        chosen = filters if filters is None or models.is_filter(filters) else _translated(filters)
        methods: list[Method] = []
        asked: list[list[Leg]] = []
        for dense, sparse in questions:
            own: Method = method if dense is not None and sparse is not None else "sparse" if dense is None else "dense"
            methods.append(own)
            legs: list[Leg] = []
            if dense is not None and own != "sparse":
                how = collection.how_to_search(ef, recall, filtered=chosen is not None)
                if how.note is not None and note is not None:
                    note(how.note)
                legs.append(Leg(dense_name, dense, limit, chosen, how.ef, how.exact))
            if sparse is not None and len(sparse) and own != "dense":
                legs.append(Leg(sparse_name, sparse, limit if sparse_limit is None else sparse_limit, chosen))
            asked.append(legs)
        both = score_both and method == "minmax"
        searched = _search_legs(collection.engine, collection.name, asked, score_both=both)
    with stage("fuse"):
        ranked = []
        for (_, sparse), own, (found, scored) in zip(questions, methods, searched, strict=True):
            hits = found.get(dense_name, []), found.get(sparse_name, [])
            if both and len(found) == 2:
                scores = both_scores(found, scored, dense_name, sparse_name)
            else:
                scores = [(hit.id, hit.score) for hit in hits[0]], [(hit.id, hit.score) for hit in hits[1]]
            fused = fused_hits(
                *hits,
                scores,
                terms=0 if sparse is None else len(sparse),
                method=own,
                dense_weight=dense_weight,
                sparse_weight=sparse_weight,
                rrf_k=rrf_k,
                long_sparse=long_sparse,
                long_near=long_near,
            )
            ranked.append(ranking(*hits, scores, fused))
        return ranked


def _translated(filters: Any) -> models.Filter | None:
    from indexes.store.filters import to_qdrant_filter

    return to_qdrant_filter(filters)


def fused_hits(
    dense: Sequence[LegHit],
    sparse: Sequence[LegHit],
    scores: LegScores,
    *,
    terms: int,
    method: Method,
    dense_weight: float,
    sparse_weight: float,
    rrf_k: int,
    long_sparse: float,
    long_near: float,
) -> Scores:
    """Fuse the hits of both legs, a long question's with more weight on the sparse leg and on what stands together.

    >>> hits = [Hit("a", 0.9, {"text": "It rains."})]
    >>> weights = {"dense_weight": 0.7, "sparse_weight": 0.3, "rrf_k": 60, "long_sparse": 0.1, "long_near": 0.2}
    >>> fused_hits(hits, [], ([("a", 0.9)], []), terms=5, method="minmax", **weights)
    [('a', 0.7)]

    Args:
        dense, sparse: hits of each leg, best first.
        scores: as returned by ``both_scores``.
        terms: number of the question's terms in the sparse leg.
        long_sparse, long_near: as ``retrieval.long_sparse`` and ``retrieval.long_near``.
    """
    long = longness(terms) if method == "minmax" and dense_weight > 0 and sparse_weight > 0 else 0.0
    if long and long_sparse:
        share = min(1.0, sparse_weight / (dense_weight + sparse_weight) + long * long_sparse)
        dense_weight, sparse_weight = 1 - share, share
    first = {hit.id for hit in (*dense[:SCALED], *sparse[:SCALED])}
    fused = fuse(
        *scores, method=method, dense_weight=dense_weight, sparse_weight=sparse_weight, rrf_k=rrf_k, scale=first
    )
    if long and long_near and dense and sparse:
        payloads = {hit.id: hit.payload or {} for hit in (*dense, *sparse)}
        places = {
            key: (str(payload["doc_id"]), int(payload["position"]))
            for key, payload in payloads.items()
            if "doc_id" in payload and "position" in payload
        }
        fused = supported(fused, places, long * long_near)
    return fused


def ranking(dense: Sequence[Hit], sparse: Sequence[Hit], scores: LegScores, fused: Scores) -> list[HybridHit]:
    """Combine fused scores with the rank and score of each hit in both legs.

    >>> hits = [Hit("a", 0.9, {"text": "It rains."})]
    >>> found = ranking(hits, [], ([("a", 0.9)], []), [("a", 1.0)])
    >>> found[0].score, found[0].dense_rank, found[0].sparse_rank
    (1.0, 1, None)
    """
    of_dense, of_sparse = dict(scores[0]), dict(scores[1])
    dense_ranks = {hit.id: rank for rank, hit in enumerate(dense, 1)}
    sparse_ranks = {hit.id: rank for rank, hit in enumerate(sparse, 1)}
    payloads = {hit.id: hit.payload or {} for hit in (*sparse, *dense)}
    return [
        HybridHit(
            key,
            score,
            payloads[key],
            dense_rank=dense_ranks.get(key),
            dense_score=of_dense.get(key),
            sparse_rank=sparse_ranks.get(key),
            sparse_score=of_sparse.get(key),
        )
        for key, score in fused
    ]


def _search_legs(
    engine: Engine, name: str, questions: Sequence[Sequence[Leg]], *, score_both: bool = False
) -> list[tuple[dict[str, list[Hit]], dict[str, dict[str, float]]]]:
    """Search the legs of several questions together; return for each leg -> hits and leg -> id -> score.

    Hits are best first, ties by id. The engine is called once for all legs. If it returns hits without payloads, they
    are read together: each once, and none beyond the limit. The speed is the same with files in memory (10.9 ms of CPU
    time at 100,000 points either way), and a third fewer pages are read otherwise.

    Args:
        questions: the legs of each question.
        score_both: with two legs, score each leg's hits in the other leg too. Otherwise a hit of only one leg counts
            as the other leg's worst, although it may have missed the limit narrowly.
    """
    searched = [[leg for leg in legs if leg.limit > 0] for legs in questions]
    widened = [leg._replace(limit=leg.limit + TIE_MARGIN) for legs in searched for leg in legs]
    answers = iter(engine.query_arrays(name, widened, with_payload=True) if widened else ())
    found: list[tuple[dict[str, list[Hit]], dict[str, dict[str, float]]]] = []
    lacks: list[Lack] = []
    lacking: list[dict[str, float]] = []  # where the scores of each lack go
    for legs in searched:
        hits_of = {leg.name: sorted(next(answers), key=lambda hit: (-hit.score, hit.id))[: leg.limit] for leg in legs}
        scores = {leg: {hit.id: hit.score for hit in hits} for leg, hits in hits_of.items()}
        found.append((hits_of, scores))
        if score_both and len(legs) > 1:
            every = dict.fromkeys(hit.id for hits in hits_of.values() for hit in hits)
            for leg in legs:
                if ids := [one for one in every if one not in scores[leg.name]]:
                    lacks.append(Lack(leg, ids))
                    lacking.append(scores[leg.name])
    bare = [hit for hits_of, _ in found for hits in hits_of.values() for hit in hits if hit.payload is None]
    if bare or lacks:
        payloads, more = engine.scored_payloads(name, list(dict.fromkeys(hit.id for hit in bare)), lacks)
        for scores_of, extra in zip(lacking, more, strict=True):
            scores_of.update(extra)
        for hit in bare:
            hit.payload = payloads.get(hit.id, {})
    return found


def both_scores(found: dict[str, list[Hit]], scores: dict[str, dict[str, float]], dense: str, sparse: str) -> LegScores:
    """Return the (id, score) lists of both legs over the hits of either; without a shared term the score is 0.

    >>> found = {"dense": [Hit("a", 0.9)], "sparse": [Hit("b", 4.0)]}
    >>> both_scores(found, {"dense": {"a": 0.9, "b": 0.2}, "sparse": {"b": 4.0}}, "dense", "sparse")
    ([('a', 0.9), ('b', 0.2)], [('a', 0.0), ('b', 4.0)])
    """
    ids = list(dict.fromkeys(hit.id for leg in (dense, sparse) for hit in found[leg]))
    of_dense, of_sparse = scores[dense], scores[sparse]
    return [(i, of_dense[i]) for i in ids if i in of_dense], [(i, of_sparse.get(i, 0.0)) for i in ids]
