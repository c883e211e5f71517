"""Window pooling: a sentence's stored vectors see the sentences around it, without another forward pass.

The lexical leg must see the window: BM25 over lone sentences loses 6 points of nDCG@10 on SciFact against BM25 over
windows of three sentences on each side. But a sentence's own words count more than its neighbours', and a table's row
or a list's item sees none: a part number is to be found where it stands. The words of its place (the document's name,
its headings) count at a share too.

A share of the mean of a sentence's window, or of its whole document, may be added to its dense vector too, which is
then normalised again: a short sentence ("It rose by 5 %.") takes on what its neighbours speak of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded, Lexical, SparseVector
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import IndexSettings
from indexes.text.lines import LIST_MARK

ITEM_CHARS = 200  # a longer item of a list is running text


@dataclass(slots=True)
class ReadyPoint:
    """A record with the vectors it is stored with."""

    record: SentenceRecord
    dense: NDArray[np.float32]
    sparse: SparseVector | None
    place: SparseVector | None = None  # the words of its place, on the way into ``sparse``


class WindowPooler:
    """Streams records through and holds back only the ``width`` last ones, whose right neighbours are not here yet.

    Memory is ``2 * width`` sentences whatever the length of the document, or the document where its mean is wanted.

    Args:
        lexical: joins the sparse vectors of a window; None: there are none.
        width: sentences on each side in a window.
        share: of the mean that is added to each dense vector (``mix``); 0 leaves them as they are.
        share_of: the mean of what.
        neighbours: what the words of the sentences around count; None: what ``lexical`` says.
        place: what the words of a sentence's place count.
    """

    def __init__(
        self,
        lexical: Lexical | None,
        width: int,
        share: float = 0.0,
        share_of: Literal["window", "document"] = "window",
        *,
        neighbours: float | None = None,
        place: float = 0.0,
    ) -> None:
        self._lexical = lexical
        self._place = place
        self._neighbours = neighbours if neighbours is not None else lexical.neighbours if lexical is not None else 1.0
        self._share = share
        self._whole = share > 0 and share_of == "document"
        self._width = width if lexical is not None or (share and not self._whole) else 0
        self._left: list[ReadyPoint] = []  # as they came; stored already, still somebody's left neighbours
        self._waiting: list[ReadyPoint] = []
        self._held: list[ReadyPoint] = []  # complete but for the mean of their document
        self._unpooled: list[tuple[ReadyPoint, list[SparseVector], list[float]]] = []

    @classmethod
    def of(cls, lexical: Lexical | None, settings: IndexSettings) -> WindowPooler:
        """As the settings say."""
        sparse, split = settings.sparse, settings.split
        return cls(
            lexical,
            sparse.window,
            split.dense_context,
            split.dense_context_of,
            neighbours=sparse.neighbours,
            place=sparse.place,
        )

    def push(
        self,
        records: Sequence[SentenceRecord],
        encoded: Encoded,
        places: Sequence[SparseVector | None] | None = None,
    ) -> list[ReadyPoint]:
        """Take the next records, in order, and give back those whose window is complete.

        Args:
            places: the sparse vectors of the words of each record's place (``nodes.record.place_of``).
        """
        ready: list[ReadyPoint] = []
        for row, record in enumerate(records):
            sparse = encoded.sparse[row] if encoded.sparse is not None else None
            if self._waiting and not _same_run(self._waiting[-1].record, record):
                ready += self._end_run()
            if self._held and self._held[-1].record.doc_id != record.doc_id:
                ready += self._let_go()
            place = places[row] if places is not None else None
            self._waiting.append(ReadyPoint(record, encoded.dense[row], sparse, place))
            if len(self._waiting) > self._width:
                ready += self._release()
        self._pool()
        return ready

    def finish(self) -> list[ReadyPoint]:
        """The document has ended: nothing more will come to the right."""
        ready = [*self._end_run(), *self._let_go()]
        self._pool()
        return ready

    def _end_run(self) -> list[ReadyPoint]:
        """Windows do not cross the end of a section."""
        ready: list[ReadyPoint] = []
        while self._waiting:
            ready += self._release()
        self._left.clear()
        return ready

    def _release(self) -> list[ReadyPoint]:
        """The first that waits; its sparse vector is pooled with those of others (``_pool``)."""
        own = self._waiting.pop(0)
        window = [*self._left, own, *self._waiting[: self._width]]
        point = ReadyPoint(own.record, own.dense, own.sparse)
        if self._lexical is not None and own.sparse is not None:
            self._unpooled.append((point, *self._window_of(own, window)))
        if self._share and not self._whole:
            rows = np.stack([other.dense for other in window])
            point.dense = mix(own.dense[None, :], rows.mean(axis=0, keepdims=True), self._share)[0]
        if self._width:
            self._left.append(own)
            del self._left[: -self._width]
        if self._whole:
            self._held.append(point)
            return []
        return [point]

    def _window_of(self, own: ReadyPoint, window: Sequence[ReadyPoint]) -> tuple[list[SparseVector], list[float]]:
        """The sparse vectors that a point's is pooled of, and what each counts."""
        alone = stands_alone(own.record)
        vectors, weights = [], []
        for other in window:
            if other.sparse is not None and (other is own or not alone):
                vectors.append(other.sparse)
                weights.append(1.0 if other is own else self._neighbours)
        if own.place is not None:
            vectors.append(own.place)
            weights.append(self._place)
        return vectors, weights

    def _pool(self) -> None:
        """All windows at once: one numpy call for each costs more than the counting."""
        waiting, self._unpooled = self._unpooled, []
        if waiting and self._lexical is not None:
            windows, weights = [row[1] for row in waiting], [row[2] for row in waiting]
            many = getattr(self._lexical, "pool_many", None)
            pooled = many(windows, weights) if many else list(map(self._lexical.pool, windows, weights))
            for (point, _, _), sparse in zip(waiting, pooled, strict=True):
                point.sparse = sparse

    def _let_go(self) -> list[ReadyPoint]:
        """The document is complete: its mean is known."""
        held, self._held = self._held, []
        if held:
            rows = np.stack([point.dense for point in held])
            for point, row in zip(held, mix(rows, rows.mean(axis=0, keepdims=True), self._share), strict=True):
                point.dense = row
        return held


def stands_alone(record: SentenceRecord) -> bool:
    """Whether a record is complete without its neighbours: a table's row, a short item of a list."""
    return record.kind == "table" or (len(record.text) <= ITEM_CHARS and LIST_MARK.match(record.text) is not None)


def _same_run(left: SentenceRecord, right: SentenceRecord) -> bool:
    return left.doc_id == right.doc_id and left.section == right.section


def mix(rows: NDArray[np.float32], mean: NDArray[np.floating], share: float) -> NDArray[np.float32]:
    """``rows`` (n, dim) with ``share`` times ``mean`` ((n, dim) or (1, dim)) added, each of length 1 again.

    A row whose sum is 0 stays as it is.
    """
    mixed = rows + share * mean.astype(np.float64)
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, mixed / np.maximum(lengths, 1e-12), rows).astype(np.float32)
