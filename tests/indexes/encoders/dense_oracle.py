"""What window pooling does to dense vectors, written for a whole collection at once: the oracle of its tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def add_context(
    dense: NDArray[np.float32], groups: Sequence[int], share: float, window: int | None = None
) -> NDArray[np.float32]:
    """Add ``share`` times the mean of each row's surroundings (itself among them) to it, and normalise again.

    Args:
        dense: float32 (n, dim), rows of length 1, in the order of the documents' sentences.
        groups: n numbers; rows with equal numbers side by side belong together (a document, or a section that windows
            do not cross). Equal numbers that are not side by side are different groups.
        share: 0.5 adds half of the mean.
        window: rows on each side that count, 0 for none but the row itself; None: the whole group.

    Returns:
        float32 (n, dim), rows of length 1, the input untouched.
    """
    edges = np.flatnonzero(np.diff(np.asarray(groups))) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(groups)]])
    out = np.empty_like(dense)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        out[start:end] = mixed(dense[start:end], share, window)
    return out


def mixed(rows: NDArray[np.float32], share: float, window: int | None) -> NDArray[np.float32]:
    """One group, by running totals: another way than the pooler's own."""
    count = rows.shape[0]
    if window is None:
        mean = rows.mean(axis=0, keepdims=True, dtype=np.float64)
    else:
        total = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
        first, last = np.maximum(np.arange(count) - window, 0), np.minimum(np.arange(count) + window + 1, count)
        mean = (total[last] - total[first]) / (last - first)[:, None]
    sums = rows + share * mean
    return (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
