"""Diversity among candidates. For passages that repeat each other word for word see ``repeats``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rag.retrieval.candidate import Candidate


def diversified(
    candidates: list[Candidate], vectors: Mapping[str, NDArray[np.float32]], diversity: float
) -> list[Candidate]:
    """Reorder candidates by maximal marginal relevance (Carbonell and Goldstein 1998).

    >>> from indexes.nodes.record import SentenceRecord
    >>> scores = {"a": 0.9, "a again": 0.8, "b": 0.7}
    >>> found = [Candidate(SentenceRecord("x.md", i, text), score) for i, (text, score) in enumerate(scores.items())]
    >>> rows = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    >>> vectors = {one.id: row for one, row in zip(found, rows)}
    >>> [one.record.text for one in diversified(found, vectors, 0.5)]
    ['a', 'b', 'a again']

    Args:
        candidates: best first; their scores are not changed.
        vectors: candidate id -> dense vector, float32 (dim,), normalised.
        diversity: 0 to 1, the weight of dissimilarity to the candidates before against relevance. Both are stretched
            to [0, 1] over the candidates, since their scales differ between models.
    """
    if len(candidates) < 3 or not all(candidate.id in vectors for candidate in candidates):
        return candidates
    relevance = _stretched(np.array([candidate.order for candidate in candidates], np.float64))
    rows = np.stack([vectors[candidate.id] for candidate in candidates]).astype(np.float64)
    alike = rows @ rows.T
    others = ~np.eye(len(candidates), dtype=bool)
    low, high = alike[others].min(), alike[others].max()
    alike = (alike - low) / ((high - low) or 1.0)
    chosen, left = [0], list(range(1, len(candidates)))
    while left:
        gains = [(1 - diversity) * relevance[i] - diversity * alike[i, chosen].max() for i in left]
        chosen.append(left.pop(int(np.argmax(gains))))  # of equal gains the first, which is the better candidate
    return [candidates[i] for i in chosen]


def _stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = values.min(), values.max()
    return (values - low) / ((high - low) or 1.0)
