"""Window pooling: a sentence's stored vectors see the sentences around it, without another forward pass.

The lexical leg must see the window: BM25 over lone sentences loses 6 points of nDCG@10 on SciFact against BM25 over
windows of three sentences on each side.

A share of the mean of a sentence's window, or of its whole document, may be added to its dense vector too, which is
then normalised again: a short sentence ("It rose by 5 %.") takes on what its neighbours speak of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded, Lexical, SparseVector
from indexes.nodes.record import SentenceRecord


@dataclass(slots=True)
class ReadyPoint:
    """A record with the vectors it is stored with."""

    record: SentenceRecord
    dense: NDArray[np.float32]
    sparse: SparseVector | None


class WindowPooler:
    """Streams records through and holds back only the ``width`` last ones, whose right neighbours are not here yet.

    Memory is ``2 * width`` sentences whatever the length of the document, or the document where its mean is wanted.

    Args:
        lexical: joins the sparse vectors of a window; None: there are none.
        width: sentences on each side in a window.
        share: of the mean that is added to each dense vector (``mix``); 0 leaves them as they are.
        share_of: the mean of what.
    """

    def __init__(
        self,
        lexical: Lexical | None,
        width: int,
        share: float = 0.0,
        share_of: Literal["window", "document"] = "window",
    ) -> None:
        self._lexical = lexical
        self._share = share
        self._whole = share > 0 and share_of == "document"
        self._width = width if lexical is not None or (share and not self._whole) else 0
        self._left: list[ReadyPoint] = []  # as they came; stored already, still somebody's left neighbours
        self._waiting: list[ReadyPoint] = []
        self._held: list[ReadyPoint] = []  # complete but for the mean of their document

    def push(self, records: Sequence[SentenceRecord], encoded: Encoded) -> Iterator[ReadyPoint]:
        """Take the next records, in order, and give back those whose window is complete."""
        for row, record in enumerate(records):
            sparse = encoded.sparse[row] if encoded.sparse is not None else None
            if self._waiting and not _same_run(self._waiting[-1].record, record):
                yield from self._end_run()
            if self._held and self._held[-1].record.doc_id != record.doc_id:
                yield from self._let_go()
            self._waiting.append(ReadyPoint(record, encoded.dense[row], sparse))
            if len(self._waiting) > self._width:
                yield from self._release()

    def finish(self) -> Iterator[ReadyPoint]:
        """The document has ended: nothing more will come to the right."""
        yield from self._end_run()
        yield from self._let_go()

    def _end_run(self) -> Iterator[ReadyPoint]:
        """Windows do not cross the end of a section."""
        while self._waiting:
            yield from self._release()
        self._left.clear()

    def _release(self) -> Iterator[ReadyPoint]:
        own = self._waiting.pop(0)
        window = [*self._left, own, *self._waiting[: self._width]]
        point = ReadyPoint(own.record, own.dense, own.sparse)
        if self._lexical is not None and own.sparse is not None:
            point.sparse = self._lexical.pool([other.sparse for other in window if other.sparse is not None])
        if self._share and not self._whole:
            rows = np.stack([other.dense for other in window])
            point.dense = mix(own.dense[None, :], rows.mean(axis=0, keepdims=True), self._share)[0]
        if self._width:
            self._left.append(own)
            del self._left[: -self._width]
        if self._whole:
            self._held.append(point)
        else:
            yield point

    def _let_go(self) -> Iterator[ReadyPoint]:
        """The document is complete: its mean is known."""
        held, self._held = self._held, []
        if held:
            rows = np.stack([point.dense for point in held])
            for point, row in zip(held, mix(rows, rows.mean(axis=0, keepdims=True), self._share), strict=True):
                point.dense = row
                yield point


def _same_run(left: SentenceRecord, right: SentenceRecord) -> bool:
    return left.doc_id == right.doc_id and left.section == right.section


def mix(rows: NDArray[np.float32], mean: NDArray[np.floating], share: float) -> NDArray[np.float32]:
    """``rows`` (n, dim) with ``share`` times ``mean`` ((n, dim) or (1, dim)) added, each of length 1 again.

    A row whose sum is 0 stays as it is.
    """
    mixed = rows + share * mean.astype(np.float64)
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, mixed / np.maximum(lengths, 1e-12), rows).astype(np.float32)
