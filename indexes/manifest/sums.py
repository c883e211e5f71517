"""Checksums of a document's texts and vectors, to verify later that the collection still has what was stored.

Texts and sparse vectors are returned bit for bit. Dense vectors are stored with fewer digits (``store.quantization``)
and rounded again when points move; for them four projections are kept, which damage shifts far more than rounding.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.window_pooling import ReadyPoint

PROJECTIONS = 4
ROUNDING = 0.02, 0.005  # tolerance of a projection's sum: constant, and per square root of the number of sentences
COARSE = 20  # factor for vectors with 8 bits per value

_MODULUS = 1 << 128


@dataclass(slots=True)
class Sums:
    """Checksums of points, in any order.

    >>> from indexes.nodes.record import SentenceRecord
    >>> def sums_of(text, *row):
    ...     sums = Sums()
    ...     sums.add(ReadyPoint(SentenceRecord("a.md", 0, text), np.array(row, np.float32), None))
    ...     return sums
    >>> stored = str(sums_of("It rains.", 1.0, 0.0, 0.0, 0.0))
    >>> [sums_of(text, 1.0, 0.0, 0.0, 0.0).differs(stored) for text in ("It rains.", "It snows.")]
    ['', 'texts']
    >>> sums_of("It rains.", 0.0, 0.0, 0.0, 1.0).differs(stored)
    'vectors'
    """

    points: int = 0
    texts: int = 0
    sparse: int = 0
    dense: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PROJECTIONS))

    def add(self, point: ReadyPoint) -> None:
        identity = uuid.UUID(point.record.id).bytes
        self.points += 1
        self.texts = (self.texts + _digest(identity, point.record.text.encode("utf-8", "replace"))) % _MODULUS
        self.sparse = (self.sparse + _digest(identity, _terms(point))) % _MODULUS
        length = float(np.linalg.norm(point.dense)) or 1.0
        row = np.asarray(point.dense, np.float64) / length
        self.dense += (1 if identity[0] & 1 else -1) * (_directions(len(row)) @ row)

    def add_many(self, points: Sequence[ReadyPoint]) -> None:
        """Add several points with one matrix product."""
        if not points:
            return
        signs = np.empty(len(points))
        for row, point in enumerate(points):
            identity = bytes.fromhex(point.record.id.replace("-", ""))
            signs[row] = 1 if identity[0] & 1 else -1
            self.texts += _digest(identity, point.record.text.encode("utf-8", "replace"))
            self.sparse += _digest(identity, _terms(point))
        self.points += len(points)
        self.texts %= _MODULUS
        self.sparse %= _MODULUS
        rows = np.stack([point.dense for point in points]).astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1)
        signs /= np.where(lengths > 0, lengths, 1.0)
        self.dense += _directions(rows.shape[1]) @ (signs @ rows)

    def __str__(self) -> str:
        dense = [round(float(value), 4) for value in self.dense]
        return json.dumps([f"{self.texts:032x}", f"{self.sparse:032x}", dense])

    def differs(self, stored: str, *, coarse: bool = False) -> str:
        """Return "texts" or "vectors" if these differ from ``stored`` (``str`` of the sums when written); else "".

        Args:
            coarse: dense vectors are stored with 8 bits per value.
        """
        texts, sparse, dense = json.loads(stored)
        if texts != f"{self.texts:032x}":
            return "texts"
        allowed = (ROUNDING[0] + ROUNDING[1] * math.sqrt(self.points)) * (COARSE if coarse else 1)
        off = np.abs(self.dense - np.asarray(dense, np.float64))
        same = sparse == f"{self.sparse:032x}" and bool(np.isfinite(off).all()) and bool((off <= allowed).all())
        return "" if same else "vectors"


def _terms(point: ReadyPoint) -> bytes:
    if point.sparse is None or not len(point.sparse):
        return b""
    return (
        point.sparse.indices.astype("<u4", copy=False).tobytes()
        + point.sparse.values.astype("<f4", copy=False).tobytes()
    )


def _digest(*parts: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(b"".join(parts), digest_size=16).digest(), "big")


@lru_cache(maxsize=4)
def _directions(dim: int) -> NDArray[Any]:
    """Return a fixed matrix (PROJECTIONS, dim) of 1 and -1."""
    bits = np.frombuffer(hashlib.shake_128(b"ragwright").digest(PROJECTIONS * dim), np.uint8).reshape(PROJECTIONS, dim)
    return np.where(bits & 1, 1.0, -1.0)
