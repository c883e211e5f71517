"""Window pooling: the stored vectors of a sentence include its neighbours, without another forward pass.

The lexical leg needs the window: BM25 over single sentences loses 6 points of nDCG@10 on SciFact against BM25 over
windows of three sentences on each side. A sentence's own words weigh more than its neighbours'; a row of a table or an
item of a list takes none of theirs, so that a part number is found in its own row. The words of a sentence's place
(the document's name, its headings) are added with a weight as well.

A share of the mean over the window, or over the whole document, may be added to the dense vector, which is then
brought back to its length: a short sentence ("It rose by 5 %.") takes on the topic of its neighbours.
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
    """A record and the vectors that are stored with it."""

    record: SentenceRecord
    dense: NDArray[np.float32]
    sparse: SparseVector | None
    place: SparseVector | None = None  # the words of its place, until they are pooled into ``sparse``


class WindowPooler:
    """Pools a stream of records; only the last ``width`` records wait for their right neighbours.

    At most ``2 * width`` sentences are held, whatever the length of the document; with ``share_of="document"`` the
    whole document.

    >>> records = [SentenceRecord("a.md", at, text) for at, text in enumerate(("Rain.", "Snow.", "Hail."))]
    >>> pooler = WindowPooler(None, 1, share=0.5)
    >>> ready = pooler.push(records, Encoded(np.eye(3, dtype=np.float32)))
    >>> [point.record.text for point in ready], [point.record.text for point in pooler.finish()]
    (['Rain.', 'Snow.'], ['Hail.'])
    >>> print(ready[0].dense.round(2))
    [0.98 0.2  0.  ]

    Args:
        lexical: merges the sparse vectors of a window; None: no lexical side.
        width: sentences on each side in a window.
        share: share of the mean that is added to each dense vector (see ``mix``); 0: none.
        share_of: what the mean is taken over.
        neighbours: weight of the words of neighbouring sentences; None: that of ``lexical``.
        place: weight of the words of a sentence's place.
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
        self._left: list[ReadyPoint] = []  # already returned, but still left neighbours of others; as they arrived
        self._waiting: list[ReadyPoint] = []
        self._held: list[ReadyPoint] = []  # complete except for the mean of their document
        self._unpooled: list[tuple[ReadyPoint, list[SparseVector], list[float]]] = []

    @classmethod
    def of(cls, lexical: Lexical | None, settings: IndexSettings) -> WindowPooler:
        """Create a pooler from ``settings.sparse`` and ``settings.split``."""
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
        """Take the next records, in order, and return those whose window is complete.

        Args:
            records: sentences in the order of the document.
            encoded: their vectors.
            places: sparse vectors of the words of each record's place (``nodes.record.place_of``).
        """
        ready: list[ReadyPoint] = []
        for row, record in enumerate(records):
            sparse = encoded.sparse[row] if encoded.sparse is not None else None
            last = self._waiting[-1].record if self._waiting else record
            if (last.doc_id, last.section) != (record.doc_id, record.section):
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
        """End the document and return the records that were waiting."""
        ready = [*self._end_run(), *self._let_go()]
        self._pool()
        return ready

    def _end_run(self) -> list[ReadyPoint]:
        """Complete the waiting records: windows do not cross the end of a section."""
        ready: list[ReadyPoint] = []
        while self._waiting:
            ready += self._release()
        self._left.clear()
        return ready

    def _release(self) -> list[ReadyPoint]:
        """Complete the first waiting record; its sparse vector is computed later, with others (``_pool``)."""
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
        """Return the sparse vectors to pool for a record, and the weight of each."""
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
        """Pool all windows at once: a numpy call per window costs more than the counting."""
        waiting, self._unpooled = self._unpooled, []
        if waiting and self._lexical is not None:
            windows, weights = [row[1] for row in waiting], [row[2] for row in waiting]
            many = getattr(self._lexical, "pool_many", None)
            pooled = many(windows, weights) if many else list(map(self._lexical.pool, windows, weights))
            for (point, _, _), sparse in zip(waiting, pooled, strict=True):
                point.sparse = sparse

    def _let_go(self) -> list[ReadyPoint]:
        """Return the records of a finished document, whose mean is now known."""
        held, self._held = self._held, []
        if held:
            rows = np.stack([point.dense for point in held])
            for point, row in zip(held, mix(rows, rows.mean(axis=0, keepdims=True), self._share), strict=True):
                point.dense = row
        return held


def stands_alone(record: SentenceRecord) -> bool:
    """Return whether a record is complete without its neighbours: a row of a table, a short item of a list.

    >>> stands_alone(SentenceRecord("a.md", 0, "- 12 pumps")), stands_alone(SentenceRecord("a.md", 1, "It rains."))
    (True, False)
    """
    return record.kind == "table" or (len(record.text) <= ITEM_CHARS and LIST_MARK.match(record.text) is not None)


def mix(rows: NDArray[np.float32], mean: NDArray[np.floating], share: float) -> NDArray[np.float32]:
    """Add ``share`` times ``mean`` to each row and bring the sum to the row's own length.

    >>> mix(np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]]), 0.75).round(2).tolist()
    [[0.800000011920929, 0.6000000238418579]]

    Args:
        rows: float32 (n, dim).
        mean: (n, dim) or (1, dim).

    Returns:
        float32 (n, dim); a row whose sum is 0 stays unchanged.
    """
    mixed = rows + share * mean.astype(np.float64)
    before = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, mixed * (before / np.maximum(lengths, 1e-12)), rows).astype(np.float32)


def mean_of(rows: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each pair of rows, which is the longer the more they are alike.

    Its dot product with a question is the mean of both cosines. Brought back to length 1 it would rank a sentence
    unlike its passage as high as one like it: nDCG@10 on ``rgb_zh_fact`` would be 0.511 instead of 0.546.

    >>> mean_of(np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)).tolist()
    [[0.5, 0.5]]

    Args:
        rows, others: float32 (n, dim), each row of length 1.
    """
    return ((rows + others) / 2).astype(np.float32)
