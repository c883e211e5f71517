"""Dense vectors that see their surroundings, without another forward pass.

A share of the mean of a sentence's window, or of its whole document, is added to its dense vector, which is then
normalised again. A short sentence ("It rose by 5 %.") takes on what its neighbours speak of.
"""

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
        share: 0 leaves the vectors as they are; 0.5 adds half of the mean.
        window: rows on each side that count, 0 for none but the row itself; None: the whole group.

    Returns:
        float32 (n, dim), rows of length 1, the input untouched. Where a sum is 0 (opposite vectors) the row stays.

    Raises:
        ValueError: ``groups`` has another length, or ``share`` or ``window`` is negative.
    """
    if len(groups) != dense.shape[0]:
        raise ValueError(f"{len(groups)} groups for {dense.shape[0]} vectors")
    if share < 0 or (window is not None and window < 0):
        raise ValueError(f"share {share} and window {window} must not be negative")
    if share == 0 or not len(groups):
        return dense
    edges = np.flatnonzero(np.diff(np.asarray(groups))) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(groups)]])
    out = np.empty_like(dense)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        out[start:end] = _mixed(dense[start:end], share, window)
    return out


def _mixed(rows: NDArray[np.float32], share: float, window: int | None) -> NDArray[np.float32]:
    """One group. Sums come from a running total, so a wide window costs no more than a narrow one."""
    count = rows.shape[0]
    if window is None:
        mean = rows.mean(axis=0, keepdims=True, dtype=np.float64)
    else:
        total = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
        first, last = np.maximum(np.arange(count) - window, 0), np.minimum(np.arange(count) + window + 1, count)
        mean = (total[last] - total[first]) / (last - first)[:, None]
    return mix(rows, mean, share)


def mix(rows: NDArray[np.float32], mean: NDArray[np.floating], share: float) -> NDArray[np.float32]:
    """``rows`` (n, dim) with ``share`` times ``mean`` ((n, dim) or (1, dim)) added, each of length 1 again.

    A row whose sum is 0 stays as it is.
    """
    mixed = rows + share * mean.astype(np.float64)
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, mixed / np.maximum(lengths, 1e-12), rows).astype(np.float32)
