"""The recall of a graph: stored vectors are asked exactly and through it, with a filter too, and vectors between two of
them, for a question is no stored vector, and harder to find the neighbours of."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from indexes.store import models
from indexes.store.engine import Hit, Leg
from indexes.store.models.graph import EFS, NEAREST, Found, Graph, Wanted

ASKED = 60  # stored vectors, and as many between two; 600 neighbours tell a recall of 0.98 to some 0.006
SHARE = 0.7  # of the first of two vectors in one between them
TOGETHER = 10  # asked in one call
DEEP = 50
FILTERED_SHARE = 0.1  # of the points that the filter lets through
SAME = 1e-6  # between two scores
MOST_DOCUMENTS = 5000  # named in the filter

Ask = Callable[[Sequence[Leg]], list[list[Hit]]]


def tenth(counts: Sequence[tuple[str, int]]) -> models.Filter | None:
    """Return a filter that lets the points of some documents through, about a tenth of all; None for one document.

    Args:
        counts: (document's id, its number of points); the ids are hashes or names, so a stride over them is a draw.
    """
    total = sum(number for _, number in counts)
    chosen: list[str] = []
    let_through = 0
    stride = max(1, round(1 / FILTERED_SHARE))
    for start in range(stride):
        for doc_id, number in sorted(counts)[start::stride]:
            if let_through >= FILTERED_SHARE * total or len(chosen) >= MOST_DOCUMENTS:
                break
            chosen.append(doc_id)
            let_through += number
    if not chosen or let_through > total / 2:
        return None
    return models.Filter(must=[models.FieldCondition(key="doc_id", match=models.MatchAny(any=chosen))])


def measure(
    ask: Ask,
    rows: Sequence[tuple[str, Any]],
    *,
    name: str,
    wanted: Wanted,
    points: int,
    only: models.Filter | None,
    efs: Sequence[int] = EFS,
    clock: Callable[[], float] = time.perf_counter,
) -> Graph:
    """Ask for the neighbours of stored vectors, exactly and with each ``ef``.

    Args:
        ask: answers legs as ``Engine.query_arrays`` does.
        rows: (id, dense vector) of points; a point itself does not count among its neighbours.
        name: of the dense vector.
        only: the filter of the second half; None: there is none.
        clock: the time of a question is taken by it.
    """

    def asked(**how: Any) -> tuple[list[list[float]], float]:
        """The scores of each row's neighbours, best first, and milliseconds a question."""
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
        """The lower share of the two kinds of questions."""
        return min(shared(truth[:half], got[:half], k), shared(truth[half:], got[half:], k))

    truth, exact_ms = asked(exact=True)
    filtered_truth = asked(exact=True, filters=only)[0] if only is not None else []
    found = []
    for ef in efs:
        got, ms = asked(ef=ef)
        filtered = None
        if only is not None:
            filtered = least(filtered_truth, asked(ef=ef, filters=only)[0], NEAREST)
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
    """Vectors between each and the next one, nearer to the first, of length 1; they have no id."""
    vectors = np.array([vector for _, vector in rows], np.float32)
    if len(vectors) < 2:
        return []
    made = SHARE * vectors + (1 - SHARE) * np.roll(vectors, -1, axis=0)
    return [("", row) for row in made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)]


def shared(truth: Sequence[Sequence[float]], got: Sequence[Sequence[float]], k: int) -> float:
    """Mean share of the first ``k`` that were found; 1 where there are none.

    Told by the scores: of sentences that stand in a collection twice, either is right.
    """
    shares = [
        sum(score > a[:k][-1] - SAME for score in b[:k]) / len(a[:k]) for a, b in zip(truth, got, strict=True) if a
    ]
    return round(statistics.mean(shares), 4) if shares else 1.0
