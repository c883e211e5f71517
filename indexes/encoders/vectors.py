"""Small vector work that every encoder shares: prompts, unit rows, and joining sparse vectors of a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import EMPTY_SPARSE, SparseVector
from indexes.errors import EncoderError


def with_prompt(prompt: str, texts: Sequence[str]) -> list[str]:
    """Texts with ``prompt`` put before them.

    Raises:
        EncoderError: a text holds half a surrogate pair, which no tokenizer and no server accepts.
    """
    for position, text in enumerate(texts):
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise EncoderError(
                f"text {position} holds an invalid character (U+{ord(text[exc.start]):04X}) at {exc.start}",
                remedy="read the source again with its right encoding",
            ) from exc
    return [prompt + text for text in texts]


def estimate_tokens(texts: Sequence[str]) -> list[int]:
    """Tokens of each text without a tokenizer, on the high side: logs, identifiers and rare characters need so many."""
    found = []
    for text in texts:
        wide = sum(char > "\x7f" for char in text) if not text.isascii() else 0
        found.append(4 + (len(text) - wide + 1) // 2 + wide + wide // 2)
    return found


def unit_rows(dense: NDArray[Any], *, model: str, dimensions: int | None = None) -> NDArray[np.float32]:
    """float32 rows cut to ``dimensions`` (Matryoshka) and L2-normalised.

    Raises:
        EncoderError: a row is not finite or has no length (a broken checkpoint, or float16 overflow), or has fewer
            than ``dimensions`` values.
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
        raise EncoderError(
            f"'{model}' gave no usable vector for text {bad[0]} (length {norms[bad[0]]}; {bad.size} such texts)",
            remedy="set encoder.dtype = 'float32', or check the model's files",
        )
    return rows / norms[:, None]


def join(window: Sequence[SparseVector], how: np.ufunc) -> SparseVector:
    """One sparse vector of several: equal indices joined by ``how`` (``np.maximum`` or ``np.add``)."""
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
