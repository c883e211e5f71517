"""Fuse the dense and the sparse leg into one ranking: pure Python, deterministic, ties ordered by id.

``minmax`` (default): the scores of each leg are scaled to [0, 1] and added with weights; it beat RRF with k=60 on most
of the BEIR sets measured (see also Bruch et al., arXiv 2210.11934). ``rrf``: reciprocal rank fusion with an explicit
k (60 in Cormack et al. 2009; Qdrant's default is 2).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from indexes.errors import SettingsError

Method = Literal["minmax", "rrf", "dense", "sparse"]
Ranked = Sequence[tuple[str, float]]

SCALED = 50  # first hits of a leg that set the scale of "minmax": more hits must not reorder those before them
SHORT, LONG = 8, 16  # terms: a question of up to SHORT asks for one fact, one of LONG or more describes a topic
NEAR = 10  # sentences on each side whose score supports a sentence's own


def fuse(
    dense: Ranked,
    sparse: Ranked,
    *,
    method: Method = "minmax",
    dense_weight: float = 1.0,
    sparse_weight: float = 1.0,
    rrf_k: int = 60,
    scale: Collection[str] | None = None,
) -> list[tuple[str, float]]:
    """Fuse the rankings of the dense and the sparse leg.

    >>> fuse([("a", 0.9), ("b", 0.5)], [("b", 12.0), ("c", 3.0)], dense_weight=0.7, sparse_weight=0.3)
    [('a', 0.7), ('b', 0.3), ('c', 0.0)]

    Args:
        dense, sparse: (id, score) per leg, best first; scores in any unit. An id may be in one leg or in both.
        method: "minmax", "rrf", or one leg alone ("dense", "sparse": the scores of that leg, unchanged).
        dense_weight, sparse_weight: not negative, not both 0; only their ratio matters.
        rrf_k: the constant of RRF, at least 1.
        scale: ids whose scores "minmax" brings to [0, 1], among them the best of each leg; default: all. The others
            are scaled like them, so that they may score below 0.

    Returns:
        (id, score), best first, equal scores by id. "minmax" and "rrf" scores are in [0, 1]; 1 is the best hit of
        both legs. A leg contributes 0 to an id that it did not find. A single hit, or equal scores, normalise to 1.

    Raises:
        SettingsError: an unknown method, or weights or k out of range.
    """
    if method == "dense":
        return _ranked(dict(dense))
    if method == "sparse":
        return _ranked(dict(sparse))
    if not (dense_weight >= 0 and sparse_weight >= 0 and 0 < dense_weight + sparse_weight < float("inf")):
        raise SettingsError(
            f"fusion weights dense {dense_weight} and sparse {sparse_weight} cannot be used",
            remedy="give two finite weights that are not negative and not both 0",
        )
    total = dense_weight + sparse_weight
    if method == "minmax":
        legs = ((_minmax(dense, scale), dense_weight / total), (_minmax(sparse, scale), sparse_weight / total))
    elif method == "rrf":
        if rrf_k < 1:
            raise SettingsError(f"rrf_k is {rrf_k}", remedy="give 1 or more; 60 is usual")
        legs = ((_reciprocal(dense, rrf_k), dense_weight / total), (_reciprocal(sparse, rrf_k), sparse_weight / total))
    else:
        raise SettingsError(f"unknown fusion method {method!r}", remedy="use minmax, rrf, dense or sparse")
    fused: dict[str, float] = {}
    for scores, weight in legs:
        for key, score in scores.items():
            fused[key] = fused.get(key, 0.0) + weight * score
    return _ranked(fused)


def longness(terms: int) -> float:
    """Return how far a question of this many terms is from a short one to a long one, 0 to 1.

    >>> [round(longness(terms), 2) for terms in (5, 8, 11, 16, 40)]
    [0.0, 0.0, 0.46, 1.0, 1.0]
    """
    return min(1.0, max(0.0, math.log(max(terms, 1) / SHORT) / math.log(LONG / SHORT)))


def supported(fused: Ranked, places: Mapping[str, tuple[str, int]], weight: float) -> list[tuple[str, float]]:
    """Add to each score a share of the best other score nearby, and rank again; 1 stays the highest score possible.

    >>> supported([("a", 0.8), ("b", 0.7), ("c", 0.6)], {"a": ("x", 0), "b": ("y", 4), "c": ("y", 5)}, 0.5)
    [('b', 0.6666666666666666), ('c', 0.6333333333333333), ('a', 0.5333333333333333)]

    Args:
        fused: (id, score).
        places: id -> document and position; an id without one is not supported.
        weight: weight of the best score within ``NEAR`` sentences in the same document, relative to a score's own.
    """
    own = dict(fused)
    in_order = sorted((*places[key], key) for key in own if key in places)
    best = dict.fromkeys(own, 0.0)
    for at, (document, position, key) in enumerate(in_order):
        for other_document, place, other in in_order[at + 1 :]:
            if other_document != document or place - position > NEAR:
                break
            best[key], best[other] = max(best[key], own[other]), max(best[other], own[key])
    return _ranked({key: (score + weight * best[key]) / (1 + weight) for key, score in own.items()})


def _ranked(scores: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _minmax(leg: Ranked, scale: Collection[str] | None) -> dict[str, float]:
    scores = dict(leg)
    measured = [score for key, score in leg if scale is None or key in scale]
    if not measured:
        return dict.fromkeys(scores, 0.0)
    low, high = min(measured), max(measured)
    if high <= low:
        return dict.fromkeys(scores, 1.0)
    span = high - low
    if span == float("inf"):  # scores at both ends of the float range: halve them before subtracting
        return {key: (score / 2 - low / 2) / (high / 2 - low / 2) for key, score in scores.items()}
    return {key: (score - low) / span for key, score in scores.items()}


def _reciprocal(leg: Ranked, k: int) -> dict[str, float]:
    """Return (k + 1) / (k + rank): the usual 1 / (k + rank) scaled so that rank 1 gives 1; ties rank by id."""
    return {key: (k + 1) / (k + rank) for rank, (key, _) in enumerate(_ranked(dict(leg)), start=1)}
