"""Candidates chosen for being unlike each other. ``repeats`` folds passages that say the same."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rag.retrieval.candidate import Candidate


def diversified(
    candidates: list[Candidate], vectors: Mapping[str, NDArray[np.float32]], diversity: float
) -> list[Candidate]:
    """Reorder candidates by maximal marginal relevance (Carbonell and Goldstein 1998).

    Args:
        candidates: best first; their scores stay as they are.
        vectors: candidate id -> its dense vector, of length 1.
        diversity: 0 to 1: how much being unlike the candidates before it counts against being relevant. Relevance and
            likeness are each stretched to [0, 1] over the candidates, for neither means the same in all models.
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
        chosen.append(left.pop(int(np.argmax(gains))))  # the first of equals, which is the better one
    return [candidates[i] for i in chosen]


def _stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = values.min(), values.max()
    return (values - low) / ((high - low) or 1.0)
