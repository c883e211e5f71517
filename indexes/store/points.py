"""Writing sentences into a collection, counting them, deleting a document's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qdrant_client.http import models

from indexes.encoders.base import SparseVector
from indexes.errors import StoreError
from indexes.nodes.record import SentenceRecord, point_id
from indexes.store.checks import check_dense, check_sparse
from indexes.store.collection import DENSE, SPARSE, check_collection
from indexes.store.payload import plain_json

REQUEST_POINTS = 256  # points in one request to a server
LOOKUP = 512  # documents whose first sentence is fetched in one call


class DocumentInfo(NamedTuple):
    """One document of a collection. ``title`` is "" where the reader found none."""

    doc_id: str
    source: str
    title: str
    sentences: int


def document_filter(doc_id: str) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key="doc_id", match=models.MatchValue(value=doc_id))])


def upsert_records(
    client: Any,
    name: str,
    records: Sequence[SentenceRecord],
    dense: NDArray[np.float32],
    sparse: Sequence[SparseVector] | None,
) -> None:
    """Write n sentences; one already there (same document and position) is replaced.

    Args:
        dense: float32 (n, dim).
        sparse: n sorted sparse vectors (the window's, pooled), or None for a collection without the lexical leg.

    Raises:
        StoreError: counts that disagree, wrong dimension, NaN, bad sparse indices. Nothing of the batch is written.
        DiskSpaceError: embedded engine, too little disk.
    """
    if len(records) != len(dense) or (sparse is not None and len(sparse) != len(records)):
        raise StoreError(
            f"{len(records)} sentences came with {len(dense)} dense and "
            f"{'no' if sparse is None else len(sparse)} sparse vectors",
            remedy="encode every sentence once",
        )
    if not records:
        return
    ids = [record.id for record in records]
    payloads = [record.to_payload() for record in records]
    if hasattr(client, "upsert_arrays"):
        client.upsert_arrays(name, ids, dense, sparse, payloads)
        return
    payloads = [plain_json(payload) for payload in payloads]
    check_dense(dense, dim=dense.shape[1], name=DENSE)  # the server itself refuses a wrong dimension
    check_sparse(sparse or [], name=SPARSE)
    rows = dense.tolist()
    for start in range(0, len(ids), REQUEST_POINTS):
        chosen = range(start, min(start + REQUEST_POINTS, len(ids)))
        client.upsert(
            name, points=[_point(ids[i], rows[i], sparse[i] if sparse else None, payloads[i]) for i in chosen]
        )


def _point(identity: str, row: list[float], sparse: SparseVector | None, payload: dict[str, Any]) -> models.PointStruct:
    vector: dict[str, Any] = {DENSE: row}
    if sparse is not None:
        vector[SPARSE] = models.SparseVector(indices=sparse.indices.tolist(), values=sparse.values.tolist())
    return models.PointStruct(id=identity, vector=vector, payload=payload)


def delete_document(client: Any, name: str, doc_id: str) -> int:
    """Delete a document's sentences and say how many there were. 0 for an unknown document."""
    chosen = document_filter(doc_id)
    there = client.count(name, count_filter=chosen, exact=True).count
    if there:
        client.delete(name, points_selector=models.FilterSelector(filter=chosen))
    return there


def delete_points(client: Any, name: str, ids: Sequence[str]) -> None:
    """Delete sentences by id; unknown ids are no error."""
    if ids:
        client.delete(name, points_selector=models.PointIdsList(points=list(ids)))


def flush(client: Any, name: str) -> None:
    """Bring what was written onto the disk. A server has done so when the write returned.

    The embedded engine now and then puts what it keeps in memory into files at this moment, so that memory does not
    grow with the collection.
    """
    if hasattr(client, "flush"):
        client.flush(name)
    if hasattr(client, "pack"):
        client.pack(name)


def count(client: Any, name: str, doc_id: str | None = None) -> int:
    """Sentences of the collection, or of one document; exact."""
    chosen = None if doc_id is None else document_filter(doc_id)
    return client.count(name, count_filter=chosen, exact=True).count


def is_empty(client: Any, name: str) -> bool:
    """True when the collection holds no sentence; at any size faster than counting."""
    records, _ = client.scroll(name, limit=1, with_payload=False)
    return not records


def iter_documents(client: Any, name: str) -> Iterator[DocumentInfo]:
    """The collection's documents in the order of their ids.

    One facet over the indexed ``doc_id``, then the first sentence of each document, fetched by its computed id.
    """
    check_collection(client, name)
    total = count(client, name)
    if not total:
        return
    facets = client.facet(name, key="doc_id", limit=total, exact=True).hits
    found = sorted((str(hit.value), hit.count) for hit in facets)
    for start in range(0, len(found), LOOKUP):
        chunk = found[start : start + LOOKUP]
        heads = {
            str(record.id): record.payload or {}
            for record in client.retrieve(name, ids=[point_id(doc_id, 0) for doc_id, _ in chunk], with_payload=True)
        }
        for doc_id, sentences in chunk:
            payload = heads.get(point_id(doc_id, 0)) or _any_payload(client, name, doc_id)
            metadata = payload.get("metadata") or {}
            yield DocumentInfo(doc_id, str(metadata.get("source", doc_id)), str(metadata.get("title") or ""), sentences)


def _any_payload(client: Any, name: str, doc_id: str) -> dict[str, Any]:
    """A document whose first sentence is missing (deleted by hand) is described by another one."""
    records, _ = client.scroll(name, scroll_filter=document_filter(doc_id), limit=1, with_payload=True)
    return (records[0].payload or {}) if records else {}


OPTIMISE_FROM = 100_000  # points; exact search takes about 10 ms up to here


def optimize(client: Any, name: str, *, force: bool = False, timeout: float = 3600.0) -> bool:
    """Let the embedded engine build its index and vacuum, where that pays; a server does so by itself.

    Runs in a process of its own, with the collection closed meanwhile: minutes at 100,000 points. Without ``force``
    nothing is done below ``OPTIMISE_FROM`` points. Beyond it dense search becomes approximate (HNSW) and about four
    times faster.

    Returns:
        True if anything changed.

    Raises:
        StoreError: it failed or took longer than ``timeout`` seconds; the collection stays as it was.
    """
    if not hasattr(client, "optimize") or not (force or count(client, name) >= OPTIMISE_FROM):
        return False
    return client.optimize(name, timeout=timeout)
