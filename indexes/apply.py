"""Documents into and out of the collection, each whole; and what a run that was killed left half done."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from qdrant_client import models

from indexes.journal import Journal
from indexes.manifest import Manifest
from indexes.pooling import ReadyPoint
from indexes.store import points

PAGE = 2000  # ids in one call


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


def point_ids(client: Any, collection: str, doc_id: str) -> set[str]:
    """The ids of a document's points that are in the collection."""
    found: set[str] = set()
    offset = None
    while True:
        records, offset = client.scroll(
            collection,
            scroll_filter=points.document_filter(doc_id),
            limit=PAGE,
            offset=offset,
            with_payload=False,
            with_vectors=False,
        )
        found.update(str(record.id) for record in records)
        if offset is None:
            return found


def replace_document(client: Any, collection: str, doc_id: str, parts: Iterable[Sequence[ReadyPoint]]) -> set[str]:
    """Put a document in whole: its new points first, then away with old ones that it no longer has.

    Doing it again changes nothing, so that it can be finished after a kill at any moment.

    Returns:
        The ids of its points.
    """
    new: set[str] = set()
    for part in parts:
        upsert(client, collection, part)
        new.update(point.record.id for point in part)
    old = point_ids(client, collection, doc_id) - new
    stale = sorted(old)
    for start in range(0, len(stale), PAGE):
        points.delete_points(client, collection, stale[start : start + PAGE])
    return new


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
            manifest.finish(doc_id, sentences=len(ids), truncated=journal.truncated(doc_id), points=ids_digest(ids))
        else:
            points.delete_document(client, collection, doc_id)
            points.flush(client, collection)
            manifest.forget(doc_id)
    journal.clear()
    return len(unfinished)
