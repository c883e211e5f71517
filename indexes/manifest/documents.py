"""Documents into and out of the collection, each whole; and what a run that was killed left half done."""

from __future__ import annotations

import uuid
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from indexes.encoders.window_pooling import ReadyPoint
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import Manifest
from indexes.store import points

PAGE = 2000  # ids in one call
FLUSH_POINTS = 5000  # the embedded engine keeps 200 bytes a point in memory until it is flushed


def ids_digest(ids: Iterable[str]) -> str:
    """One number for a set of point ids, in any order: their sum modulo 2**128, in hexadecimal."""
    return f"{sum(uuid.UUID(identity).int for identity in ids) % (1 << 128):032x}"


def upsert(client: Any, collection: str, ready: Sequence[ReadyPoint]) -> None:
    """Write points with their vectors; those of the same id are replaced."""
    if not ready:
        return
    sparse = [point.sparse for point in ready if point.sparse is not None]
    points.upsert_records(
        client,
        collection,
        [point.record for point in ready],
        np.stack([point.dense for point in ready]),
        sparse if len(sparse) == len(ready) else None,
    )


@dataclass(slots=True)
class Ids:
    """The point ids of one document: 8 bytes of each, for a document may have a million; and their ``ids_digest``."""

    count: int = 0
    _total: int = 0
    _heads: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, identity: str) -> None:
        number = uuid.UUID(identity).int
        self.count += 1
        self._total += number
        self._heads.append(number >> 64)

    @property
    def digest(self) -> str:
        return f"{self._total % (1 << 128):032x}"

    def sorted_heads(self) -> NDArray[np.uint64]:
        return np.sort(np.frombuffer(self._heads, np.uint64))


def replace_document(client: Any, collection: str, doc_id: str, parts: Iterable[Sequence[ReadyPoint]]) -> Ids:
    """Put a document in whole: its new points first, then away with old ones that it no longer has.

    Doing it again changes nothing, so that it can be finished after a kill at any moment.

    Returns:
        The ids of its points.
    """
    new = Ids()
    flushed = 0
    for part in parts:
        upsert(client, collection, part)
        for point in part:
            new.add(point.record.id)
        if new.count - flushed >= FLUSH_POINTS:
            points.flush(client, collection)
            flushed = new.count
    if points.count(client, collection, doc_id) == new.count:
        return new  # nothing else is there
    heads, offset = new.sorted_heads(), None
    while True:
        records, offset = client.scroll(
            collection,
            scroll_filter=points.document_filter(doc_id),
            limit=PAGE,
            offset=offset,
            with_payload=False,
            with_vectors=False,
        )
        points.delete_points(client, collection, [str(r.id) for r in records if not _is_among(str(r.id), heads)])
        if offset is None:
            return new


def _is_among(identity: str, heads: NDArray[np.uint64]) -> bool:
    if "-" not in identity:  # a number: another program's point
        return False
    head = np.uint64(uuid.UUID(identity).int >> 64)
    place = int(np.searchsorted(heads, head))
    return place < len(heads) and bool(heads[place] == head)


def remove_documents(client: Any, collection: str, manifest: Manifest, doc_ids: Sequence[str]) -> int:
    """Remove documents, points first; a kill in between is finished by ``recover``. Returns the sentences removed."""
    manifest.begin([], removing=doc_ids)
    removed = sum(points.delete_document(client, collection, doc_id) for doc_id in doc_ids)
    points.flush(client, collection)
    manifest.forget(doc_ids)
    return removed


def set_sources(client: Any, collection: str, doc_id: str, sources: Sequence[str]) -> None:
    """Note under which paths a document was found, in the metadata of all its sentences."""
    selector = models.FilterSelector(filter=points.document_filter(doc_id))
    client.set_payload(collection, {"sources": list(sources)}, points=selector, key="metadata")


def recover(client: Any, collection: str, manifest: Manifest, journal: Journal) -> int:
    """Finish or undo what a run that died was doing; cheap when there is nothing to do. No model is needed.

    A document that stands whole in the journal goes into the collection; any other unfinished one is removed, and the
    next run reads it again. Returns how many documents were touched.
    """
    unfinished = manifest.unfinished()
    for doc_id in unfinished:
        if journal.holds(doc_id):
            ids = replace_document(client, collection, doc_id, journal.parts(doc_id))
            points.flush(client, collection)
            manifest.finish(doc_id, sentences=ids.count, truncated=journal.truncated(doc_id), points=ids.digest)
        else:
            points.delete_document(client, collection, doc_id)
            points.flush(client, collection)
            manifest.forget(doc_id)
    journal.clear()
    return len(unfinished)
