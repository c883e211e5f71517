"""Measure the recall of a graph: search for stored vectors, exactly and through the graph, with and without a filter.

Vectors between two stored ones are searched as well: a question is not a stored vector, and its neighbours are harder
to find."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from indexes.registry import later
from indexes.store import models
from indexes.store.engine import Hit, Leg
from indexes.store.models.graph import EFS, NEAREST, USUAL_EF, Found, Graph, Wanted

if TYPE_CHECKING:
    import numpy as np
else:
    np = later("numpy")

ASKED = 60  # stored vectors, and as many between two; 600 neighbours give a recall of 0.98 to about 0.006
SHARE = 0.7  # weight of the first vector in one between two
TOGETHER = 10  # queries per call
DEEP = 50
SELECTED = 0.1, 1 / 3  # shares of the points that filters select; in few the engine compares all, without the graph
SAME = 1e-6  # difference up to which scores count as equal
MOST_DOCUMENTS = 5000  # documents in a filter, at most

Ask = Callable[[Sequence[Leg]], list[list[Hit]]]


def selecting(counts: Sequence[tuple[str, int]], share: float) -> models.Filter | None:
    """Return a filter for documents with about this share of all points; None if that is not possible.

    >>> counts = [(f"doc{number}", 10) for number in range(20)]
    >>> selecting(counts, 0.1).must[0].match.any
    ['doc0', 'doc18']

    Args:
        counts: (document id, number of points); ids are hashes or names, so a stride over them is a random sample.
    """
    total = sum(number for _, number in counts)
    chosen: list[str] = []
    let_through = 0
    stride = max(1, round(1 / share))
    for start in range(stride):
        for doc_id, number in sorted(counts)[start::stride]:
            if let_through >= share * total or len(chosen) >= MOST_DOCUMENTS:
                break
            chosen.append(doc_id)
            let_through += number
    if not chosen or let_through > total * (1 + share) / 2:
        return None
    return models.Filter(must=[models.FieldCondition(key="doc_id", match=models.MatchAny(any=chosen))])


def measure(
    ask: Ask,
    rows: Sequence[tuple[str, Any]],
    *,
    name: str,
    wanted: Wanted,
    points: int,
    counts: Sequence[tuple[str, int]],
    efs: Sequence[int] = EFS,
    clock: Callable[[], float] = time.perf_counter,
) -> Graph:
    """Search for the neighbours of stored vectors, exactly and with each ``ef``.

    >>> def ask(legs):
    ...     hits = ("a", 1.0), ("b", 0.5), ("c", 0.0)
    ...     return [[Hit(*hit) for hit in hits[: 3 if leg.exact else 2]] for leg in legs]
    >>> rows = [(name, np.array([1.0, 0.0], np.float32)) for name in "abc"]
    >>> graph = measure(ask, rows, name="dense", wanted=Wanted(), points=3, counts=[], efs=[64])
    >>> graph.asked, graph.found[0].recall
    (3, 0.6667)

    Args:
        ask: searches legs, as ``Engine.query_arrays`` does.
        rows: (id, dense vector) of points; a point does not count among its own neighbours.
        name: name of the dense vector.
        wanted: the graph's parameters, to record.
        points: number of points in the collection, to record.
        counts: (document id, number of points), for filters; empty: no search with a filter is measured.
        efs: values of ``ef`` to measure, in ascending order; those above 512 while the graph is twice as fast.
        clock: returns seconds, to time the searches.
    """

    def asked(**how: Any) -> tuple[list[list[float]], float]:
        """Return the scores of each row's neighbours, best first, and the milliseconds per query."""
        found: list[list[float]] = []
        taken: list[float] = []
        for at in range(0, len(rows), TOGETHER):
            some = rows[at : at + TOGETHER]
            start = clock()
            answers = ask([Leg(name, vector, DEEP + 1, **how) for _, vector in some])
            taken.append((clock() - start) / len(some))
            for (identity, _), hits in zip(some, answers, strict=True):
                found.append(sorted((hit.score for hit in hits if hit.id != identity), reverse=True)[:DEEP])
        return found, 1000 * statistics.median(taken)

    half, rows = len(rows), [*rows, *between(rows)]

    def least(truth: Sequence[Sequence[float]], got: Sequence[Sequence[float]], k: int) -> float:
        """Return the lower recall of the two kinds of queries."""
        return min(shared(truth[:half], got[:half], k), shared(truth[half:], got[half:], k))

    truth, exact_ms = asked(exact=True)
    filters = [only for share in SELECTED if (only := selecting(counts, share)) is not None]
    filtered_truth = [(only, asked(exact=True, filters=only)[0]) for only in filters]
    found = []
    for ef in efs:
        got, ms = asked(ef=ef)
        if ef > USUAL_EF and ms > exact_ms / 2:
            break
        shares = [least(right, asked(ef=ef, filters=only)[0], NEAREST) for only, right in filtered_truth]
        filtered = min(shares, default=None)
        found.append(Found(ef, least(truth, got, NEAREST), filtered, least(truth, got, DEEP), round(ms, 3)))
    return Graph(
        points=points,
        m=wanted.m,
        ef_construct=wanted.ef_construct,
        asked=half,
        exact_ms=round(exact_ms, 3),
        found=tuple(found),
        built=int(time.time()),
    )


def between(rows: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return a normalised vector between each row and the next, closer to the first; their id is "".

    >>> for _, row in between([("a", [1.0, 0.0]), ("b", [0.0, 1.0])]):
    ...     print(row.round(2))
    [0.92 0.39]
    [0.39 0.92]
    """
    vectors = np.array([vector for _, vector in rows], np.float32)
    if len(vectors) < 2:
        return []
    made = SHARE * vectors + (1 - SHARE) * np.roll(vectors, -1, axis=0)
    return [("", row) for row in made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)]


def shared(truth: Sequence[Sequence[float]], got: Sequence[Sequence[float]], k: int) -> float:
    """Return the mean recall of the first ``k``; 1.0 if there are none.

    Scores are compared, not ids: of two copies of a sentence, either is right.

    >>> shared([[0.9, 0.8]], [[0.9, 0.7]], 2)
    0.5
    """
    shares = [
        sum(score > a[:k][-1] - SAME for score in b[:k]) / len(a[:k]) for a, b in zip(truth, got, strict=True) if a
    ]
    return round(statistics.mean(shares), 4) if shares else 1.0
