"""Write and remove documents of a collection, each as a whole."""

from __future__ import annotations

import uuid
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.window_pooling import ReadyPoint
from indexes.manifest.encodings import note_encodings
from indexes.manifest.manifest import Manifest
from indexes.manifest.sums import Sums
from indexes.store.collection import Collection, document_filter

PAGE = 2000  # ids per call
FLUSH_POINTS = 5000  # the embedded engine keeps 200 bytes per point in memory until a flush


def ids_digest(ids: Iterable[str]) -> str:
    """Return a digest of a set of point ids in any order: their sum modulo 2**128, in hexadecimal.

    >>> one, other = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-0000000000ff"
    >>> ids_digest([one, other]) == ids_digest([other, one]), int(ids_digest([one, other]), 16)
    (True, 256)
    """
    return f"{sum(uuid.UUID(identity).int for identity in ids) % (1 << 128):032x}"


def put(store: Collection, ready: Sequence[ReadyPoint]) -> None:
    """Write points with their vectors, replacing points with the same id.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> store = SimpleNamespace(put=lambda records, dense, sparse: print(len(records), dense.shape, sparse))
    >>> put(store, [ReadyPoint(SentenceRecord("a.md", 0, "It rains."), np.ones(2, np.float32), None)])
    1 (1, 2) None
    """
    if not ready:
        return
    sparse = [point.sparse for point in ready if point.sparse is not None]
    dense = np.stack([point.dense for point in ready])
    store.put([point.record for point in ready], dense, sparse if len(sparse) == len(ready) else None)


@dataclass(slots=True)
class Ids:
    """The point ids of a document (8 bytes of each, as there may be a million), their ``ids_digest``, and checksums.

    >>> from indexes.nodes.record import SentenceRecord
    >>> points = [ReadyPoint(SentenceRecord("a.md", at, "It rains."), np.ones(2, np.float32), None) for at in range(3)]
    >>> ids = Ids()
    >>> for point in points:
    ...     ids.add(point)
    >>> ids.count, ids.digest == ids_digest(point.record.id for point in points)
    (3, True)
    """

    count: int = 0
    _total: int = 0
    sums: Sums = field(default_factory=Sums)
    _heads: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, point: ReadyPoint) -> None:
        number = uuid.UUID(point.record.id).int
        self.sums.add(point)
        self.count += 1
        self._total += number
        self._heads.append(number >> 64)

    @property
    def digest(self) -> str:
        return f"{self._total % (1 << 128):032x}"

    def sorted_heads(self) -> NDArray[np.uint64]:
        return np.sort(np.frombuffer(self._heads, np.uint64))


def replace_document(store: Collection, doc_id: str, parts: Iterable[Sequence[ReadyPoint]]) -> Ids:
    """Replace a document: write its new points, then delete the stale ones.

    Idempotent, so that it can be finished after a kill at any time.

    Returns:
        The ids of its points.
    """
    new = Ids()
    flushed = 0
    for part in parts:
        put(store, part)
        for point in part:
            new.add(point)
        if new.count - flushed >= FLUSH_POINTS:
            store.flush()
            flushed = new.count
    if store.count(doc_id) != new.count:  # else there are no stale points
        heads = new.sorted_heads()
        for page in store.pages(PAGE, document_filter(doc_id), payload=False):
            store.delete_points([identity for identity, _ in page if not _is_among(identity, heads)])
    return new


def _is_among(identity: str, heads: NDArray[np.uint64]) -> bool:
    if "-" not in identity:  # a number: a point of another program
        return False
    head = np.uint64(uuid.UUID(identity).int >> 64)
    place = int(np.searchsorted(heads, head))
    return place < len(heads) and bool(heads[place] == head)


def remove_documents(store: Collection, manifest: Manifest, doc_ids: Sequence[str]) -> int:
    """Remove documents, points first, and return the number of sentences removed.

    After a kill ``recovery`` finishes it; ``erasing`` removes the texts from the files."""
    note_encodings(store, manifest, doc_ids)
    manifest.begin([], removing=doc_ids)
    removed = sum(map(store.delete_document, doc_ids))
    store.flush()
    manifest.forget(doc_ids)
    return removed
