"""Vector helpers shared by all encoders: prompts, unit rows, and merging the sparse vectors of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import SparseVector
from indexes.errors import EncoderError, TextError
from indexes.text.characters import estimate_tokens, valid

EMPTY_SPARSE = SparseVector(np.empty(0, np.uint32), np.empty(0, np.float32))


def with_prompt(prompt: str, texts: Sequence[str]) -> list[str]:
    """Prepend ``prompt`` to each text; lone surrogates, which tokenizers and servers reject, become U+FFFD.

    >>> with_prompt("query: ", ["Where is the key?"])
    ['query: Where is the key?']
    """
    return [prompt + valid(text) for text in texts]


def estimated_tokens(texts: Sequence[str]) -> list[int]:
    """Estimate the tokens of each text without a tokenizer, high enough for logs, identifiers and rare characters.

    >>> estimated_tokens(["今天下雨。"])
    [13]
    """
    return [4 + estimate_tokens(text, cjk=1.5, letters=1.8) for text in texts]


def unit_rows(dense: NDArray[Any], *, model: str, dimensions: int | None = None) -> NDArray[np.float32]:
    """Cut rows to ``dimensions`` (Matryoshka) and L2-normalise them.

    >>> unit_rows(np.array([[3.0, 4.0, 12.0]]), model="demo", dimensions=2).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929]]

    Returns:
        float32 (n, dimensions).

    Raises:
        TextError: a row is not finite or is zero (a broken checkpoint, or float16 overflow).
        EncoderError: rows have fewer than ``dimensions`` values.
    """
    rows = np.ascontiguousarray(dense, dtype=np.float32)
    if dimensions is not None:
        if rows.shape[1] < dimensions:
            raise EncoderError(
                f"dimensions = {dimensions}, but the vectors of '{model}' have only {rows.shape[1]} values",
                remedy="set encoder.dimensions to that or less, or leave it unset",
            )
        rows = np.ascontiguousarray(rows[:, :dimensions])
    norms = np.linalg.norm(rows, axis=1)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if bad.size:
        raise TextError(
            f"'{model}' gave no usable vector for text {bad[0]} (length {norms[bad[0]]}; {bad.size} such texts)",
            remedy="set encoder.dtype = 'float32', or check the model's files",
        )
    return rows / norms[:, None]


def join(window: Sequence[SparseVector], how: np.ufunc) -> SparseVector:
    """Merge sparse vectors; weights of equal indices are combined by ``how`` (``np.maximum`` or ``np.add``).

    >>> first = SparseVector(np.array([3, 8], np.uint32), np.array([1.0, 2.0], np.float32))
    >>> second = SparseVector(np.array([8], np.uint32), np.array([0.5], np.float32))
    >>> join([first, second], np.add).values.tolist()
    [1.0, 2.5]
    """
    filled = [vector for vector in window if len(vector)]
    if not filled:
        return EMPTY_SPARSE
    if len(filled) == 1:
        return filled[0]
    indices = np.concatenate([vector.indices for vector in filled])
    order = np.argsort(indices, kind="stable")
    indices = indices[order]
    values = np.concatenate([vector.values for vector in filled])[order]
    starts = np.flatnonzero(np.concatenate(([True], indices[1:] != indices[:-1])))
    return SparseVector(indices[starts], how.reduceat(values, starts).astype(np.float32, copy=False))


def weighted(window: Sequence[SparseVector], weights: Sequence[float] | None) -> list[SparseVector]:
    """Multiply each vector by its weight; vectors of weight 0 are left out.

    >>> vector = SparseVector(np.array([3], np.uint32), np.array([1.0], np.float32))
    >>> [one.values.tolist() for one in weighted([vector, vector], [0.5, 0])]
    [[0.5]]
    """
    if weights is None:
        return list(window)
    return [
        vector if weight == 1 else SparseVector(vector.indices, vector.values * np.float32(weight))
        for vector, weight in zip(window, weights, strict=True)
        if weight > 0
    ]


@dataclass(slots=True)
class SparseRows:
    """Concatenated sparse vectors: that of row i runs from ``starts[i]`` to ``starts[i + 1]``.

    >>> rows = SparseRows(np.array([3, 8, 5], np.uint32), np.ones(3, np.float32), np.array([0, 2, 2, 3]))
    >>> [vector.indices.tolist() for vector in rows.vectors()]
    [[3, 8], [], [5]]
    """

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]
    starts: NDArray[np.int64]

    def vectors(self) -> list[SparseVector]:
        ends = self.starts.tolist()
        return [
            SparseVector(self.indices[start:end], self.values[start:end]) if end > start else EMPTY_SPARSE
            for start, end in pairwise(ends)
        ]


def join_many(
    windows: Sequence[Sequence[SparseVector]], weights: Sequence[Sequence[float]], how: np.ufunc
) -> SparseRows:
    """Merge the vectors of many windows at once; the same numbers as ``join``, bit for bit.

    >>> rain = SparseVector(np.array([3, 8], np.uint32), np.array([0.5, 1.0], np.float32))
    >>> snow = SparseVector(np.array([8], np.uint32), np.array([4.0], np.float32))
    >>> rows = join_many([[rain, snow], [rain]], [[1.0, 0.5], [1.0]], np.maximum)
    >>> [dict(zip(row.indices.tolist(), row.values.tolist())) for row in rows.vectors()]
    [{3: 0.5, 8: 2.0}, {3: 0.5, 8: 1.0}]

    Args:
        weights: weight of each vector; vectors of weight 0 are left out.
    """
    parts: list[SparseVector] = []
    counts: list[float] = []
    rows: list[int] = []
    for row, (window, shares) in enumerate(zip(windows, weights, strict=True)):
        for vector, share in zip(window, shares, strict=True):
            if share > 0 and len(vector.indices):
                parts.append(vector)
                counts.append(share)
                rows.append(row)
    if not parts:
        return SparseRows(EMPTY_SPARSE.indices, EMPTY_SPARSE.values, np.zeros(len(windows) + 1, np.int64))
    lengths = np.array([len(part.indices) for part in parts])
    keys = np.repeat(np.array(rows, np.uint64) << np.uint64(32), lengths)
    keys |= np.concatenate([part.indices for part in parts])
    values = np.concatenate([part.values for part in parts]) * np.repeat(np.array(counts, np.float32), lengths)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    joined = how.reduceat(values[order], first).astype(np.float32, copy=False)
    keys = keys[first]
    starts = np.searchsorted(keys, np.arange(len(windows) + 1, dtype=np.uint64) << np.uint64(32))
    return SparseRows((keys & np.uint64(0xFFFFFFFF)).astype(np.uint32), joined, starts)


def pack_sparse(vectors: Sequence[SparseVector | None]) -> bytes | None:
    """Serialise sparse vectors: lengths (uint32), all indices (uint32), all values (float32), little-endian.

    Returns None if one of the vectors is None.

    >>> packed = pack_sparse([SparseVector(np.array([3], np.uint32), np.array([0.5], np.float32)), EMPTY_SPARSE])
    >>> [vector.indices.tolist() for vector in unpack_sparse(packed, 2)]
    [[3], []]
    """
    there = [vector for vector in vectors if vector is not None]
    if len(there) != len(vectors):
        return None
    lengths = np.array([len(vector) for vector in there], "<u4")
    indices = [vector.indices.astype("<u4") for vector in there]
    values = [vector.values.astype("<f4") for vector in there]
    return b"".join(array.tobytes() for array in (lengths, *indices, *values))


def unpack_sparse(blob: bytes | None, count: int) -> list[SparseVector | None]:
    """Return the ``count`` sparse vectors serialised by ``pack_sparse``.

    >>> rain = SparseVector(np.array([3, 8], np.uint32), np.array([0.5, 1.0], np.float32))
    >>> [row.indices.tolist() for row in unpack_sparse(pack_sparse([rain, EMPTY_SPARSE]), 2)]
    [[3, 8], []]
    >>> unpack_sparse(None, 2)
    [None, None]
    """
    if blob is None:
        return [None] * count
    lengths = np.frombuffer(blob, "<u4", count)
    total = int(lengths.sum())
    indices = np.frombuffer(blob, "<u4", total, offset=4 * count).astype(np.uint32)
    values = np.frombuffer(blob, "<f4", total, offset=4 * (count + total)).astype(np.float32)
    ends = np.cumsum(lengths)
    return [SparseVector(indices[end - n : end], values[end - n : end]) for n, end in zip(lengths, ends, strict=True)]
