"""Collection: the stored sentences of one collection, and the store's interface to the rest of the house.

LlamaIndex is imported only where needed, so that reading a collection's record is quick.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from indexes.display import counted
from indexes.encoders.base import Fingerprint, SparseVector
from indexes.errors import CollectionNotFoundError, StoreError
from indexes.registry import later
from indexes.settings.sections import StoreSettings
from indexes.store import models, schema, search
from indexes.store.checks import check_name, disk_bytes
from indexes.store.engine import DENSE, SPARSE, Engine
from indexes.store.fusion import Method
from indexes.store.models.graph import RECALL, Choice, Graph, choose
from indexes.store.search import HybridHit

if TYPE_CHECKING:
    import numpy as np
    from llama_index.core.vector_stores.types import MetadataFilters
    from numpy.typing import NDArray

    from indexes.nodes.record import SentenceRecord
else:
    np = later("numpy")

GRAPH_SEEN = 30.0  # seconds for which the recorded graph is cached: reading it is a request to a server
LOOKUP = 512  # documents whose first sentence is fetched in one call
PAGE = 1000  # points per scroll
_RECORDS = threading.RLock()  # changes of a record are read-modify-write


class DocumentInfo(NamedTuple):
    """One document of a collection.

    ``title`` is "" if the reader found none, ``date`` the day of the last change ("2026-03-18") if known, ``opening``
    the first sentence.
    """

    doc_id: str
    source: str
    title: str
    sentences: int
    date: str = ""
    opening: str = ""


def document_filter(doc_id: str) -> models.Filter:
    """Return the filter that selects a document's points.

    >>> document_filter("a.md").must[0].match
    MatchValue(value='a.md')
    """
    return models.Filter(must=[models.FieldCondition(key="doc_id", match=models.MatchValue(value=doc_id))])


def collection_names(engine: Engine) -> list[str]:
    """Return the names of the collections, sorted, without opening or locking any.

    >>> from indexes.store.client import open_engine
    >>> store = StoreSettings(url=":memory:", quantization="none")
    >>> engine = open_engine(store)
    >>> for name in ("notes", "guide"):
    ...     Collection(engine, name).ensure(Fingerprint("demo", "", 2, "mean"), idf=False, settings=store)
    >>> collection_names(engine)
    ['guide', 'notes']
    """
    return sorted(item.name for item in engine.calls.get_collections().collections)


class Collection:
    """One collection of an engine, which need not exist yet (``ensure`` creates it).

    >>> from indexes.nodes.record import SentenceRecord
    >>> from indexes.store.client import open_engine
    >>> store = StoreSettings(url=":memory:", quantization="none")
    >>> collection = Collection(open_engine(store), "guide")
    >>> collection.ensure(Fingerprint("demo", "", 2, "mean"), idf=False, settings=store)
    >>> collection.put([SentenceRecord("a.md", 0, "It rains.")], np.array([[1, 0]], np.float32), None)
    >>> [hit.payload["text"] for hit in collection.hybrid_search(np.array([1, 0], np.float32), None, limit=5)]
    ['It rains.']

    Args:
        engine: from ``open_engine`` or ``as_engine``.
        name: name of the collection itself; ``Generations`` resolves a name to its current collection.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        self.dense_name, self.sparse_name = DENSE, SPARSE  # the names of its vectors
        self._client = engine.calls
        self._graph_seen: tuple[float, Graph | None] = (-GRAPH_SEEN, None)

    # ---- record and properties ----

    def exists(self) -> bool:
        return self._client.collection_exists(self.name)

    def check(self) -> None:
        """Raise CollectionNotFoundError, which lists the existing names, if the collection does not exist."""
        check_name(self.name)
        if not self.exists():
            there = ", ".join(collection_names(self.engine)) or "none"
            raise CollectionNotFoundError(
                f"there is no collection {self.name!r} (there: {there})",
                remedy=f"build it first: rag ingest PATH --collection {self.name}",
            )

    def ensure(
        self,
        fingerprint: Fingerprint,
        *,
        idf: bool,
        settings: StoreSettings,
        lengths: bool = False,
        extra: dict[str, Any] | None = None,
    ) -> None:
        """Create the collection, or check that the existing one was built with the same model.

        Args:
            fingerprint: of the encoder.
            idf: give the sparse vector Modifier.IDF (``encoder.lexical.idf``).
            settings: vector format, quantization and storage of a new collection.
            lengths: keep the lengths of the dense vectors in a new collection (``split.passage``).
            extra: JSON values to record with the fingerprint of a new collection (see ``record``).

        Raises:
            FingerprintMismatchError: the existing collection was built with another model.
            StoreError: an invalid name, or settings that this engine does not support.
        """
        check_name(self.name)
        if self.exists():
            self.check_fingerprint(fingerprint)
        else:
            born = {"created": int(time.time()), **(extra or {})}
            schema.create(
                self.engine,
                self.name,
                fingerprint=fingerprint,
                idf=idf,
                settings=settings,
                lengths=lengths,
                extra=born,
            )

    def record(self) -> dict[str, Any]:
        """Return what RagWright recorded when it created the collection; {} if another program created it.

        The embedded engine does not open or lock the collection for this.

        Raises:
            CollectionNotFoundError: the collection does not exist.
        """
        self.check()
        return dict(self.engine.collection_metadata(self.name).get(schema.METADATA_KEY) or {})

    def set_record(self, **values: Any) -> None:
        """Change values of the record. Atomic for readers, and for other threads that change it."""
        with _RECORDS:
            self._client.update_collection(self.name, metadata={schema.METADATA_KEY: {**self.record(), **values}})
            self._graph_seen = (-GRAPH_SEEN, None)

    def fingerprint(self) -> dict[str, Any] | None:
        """Return the recorded fingerprint (its fields and "digest"), or None if none is recorded."""
        return self.record().get("fingerprint")

    def check_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Reject a collection that another model filled: its vectors are not comparable.

        Raises:
            CollectionNotFoundError, FingerprintMismatchError.
        """
        schema.check_record(self.name, self.record(), fingerprint)

    def has_sparse(self) -> bool:
        """Return whether the collection stores the lexical leg."""
        recorded = self.fingerprint()
        if recorded is not None:
            return recorded.get("sparse", "none") != "none"
        return SPARSE in (self._client.get_collection(self.name).config.params.sparse_vectors or {})

    def has_idf(self) -> bool:
        """Return whether the engine weights the terms of the lexical leg by their IDF."""
        params = (self._client.get_collection(self.name).config.params.sparse_vectors or {}).get(self.sparse_name)
        modifier = getattr(params, "modifier", None)
        return getattr(modifier, "value", modifier) == models.Modifier.IDF.value

    def keeps_lengths(self) -> bool:
        """Return True if dense vectors are stored as long as they are, not brought to length 1."""
        params = (self._client.get_collection(self.name).config.params.vectors or {})[self.dense_name]
        return str(getattr(params.distance, "value", params.distance)).lower() == models.Distance.DOT.value.lower()

    @property
    def one_leg(self) -> str | None:
        """Why only one of the stored legs can be searched, as a note; None if both can."""
        return None

    @property
    def takes_many(self) -> bool:
        """Whether ``hybrid_searches`` is faster than one search after the other: a server saves round trips."""
        return self.engine.kind != "edge"

    def is_coarse(self) -> bool:
        """Return whether dense vectors are stored with 8 bits per value."""
        params = self._client.get_collection(self.name).config.params.vectors
        dense = params.get(DENSE) if isinstance(params, dict) else params
        return getattr(dense, "datatype", None) in (models.Datatype.TURBO8, models.Datatype.UINT8)

    def disk_bytes(self) -> int | None:
        """Return the bytes on this machine's disk; None for a server."""
        folder = self.engine.folder(self.name)
        return None if folder is None else disk_bytes(folder)

    def briefly(self) -> AbstractContextManager[None]:
        """Hold the collection briefly (embedded engine): another process waits for it instead of failing."""
        return self.engine.briefly(self.name)

    # ---- writing ----

    def check_writable(self) -> None:
        """Raise StoreError if the collection is read-only."""

    def put(
        self, records: Sequence[SentenceRecord], dense: NDArray[np.float32], sparse: Sequence[SparseVector] | None
    ) -> None:
        """Write n sentences, replacing those with the same document and position.

        Args:
            records: n sentences.
            dense: float32 (n, dim).
            sparse: n sorted sparse vectors, pooled over windows; None for a collection without the lexical leg.

        Raises:
            StoreError: counts that differ, wrong dimension, NaN, invalid sparse indices. Nothing is written.
            DiskSpaceError: embedded engine, too little disk space.
        """
        if len(records) != len(dense) or (sparse is not None and len(sparse) != len(records)):
            raise StoreError(
                f"{counted(len(records), 'sentence')} came with {len(dense)} dense and "
                f"{'no' if sparse is None else len(sparse)} sparse vectors",
                remedy="encode every sentence once",
            )
        if records:
            ids, payloads = [record.id for record in records], [record.to_payload() for record in records]
            self.engine.upsert_arrays(self.name, ids, dense, sparse, payloads)

    def delete_document(self, doc_id: str) -> int:
        """Delete a document's sentences and return their number; 0 for an unknown document."""
        there = self.count(doc_id)
        if there:
            self.delete_where(document_filter(doc_id))
        return there

    def delete_points(self, ids: Sequence[str]) -> None:
        """Delete sentences by id; unknown ids are ignored."""
        if ids:
            self._client.delete(self.name, points_selector=models.PointIdsList(points=list(ids)))

    def delete_where(self, chosen: models.Filter) -> None:
        """Delete what a filter selects; an empty filter selects everything."""
        self._client.delete(self.name, points_selector=models.FilterSelector(filter=chosen))

    def set_metadata(self, doc_id: str, values: dict[str, Any], *, where: dict[str, str] | None = None) -> None:
        """Set metadata of all sentences of a document, or of those whose metadata match ``where``."""
        chosen = [models.FieldCondition(key="doc_id", match=models.MatchValue(value=doc_id))]
        for key, value in (where or {}).items():
            chosen.append(models.FieldCondition(key=f"metadata.{key}", match=models.MatchValue(value=value)))
        selector = models.FilterSelector(filter=models.Filter(must=[*chosen]))
        self._client.set_payload(self.name, values, points=selector, key="metadata")

    def flush(self) -> None:
        """Write everything to the disk (a server has done so when a write returns).

        The embedded engine occasionally moves points from memory into files here, so that its memory does not grow with
        the collection.
        """
        self.engine.flush(self.name)
        self.engine.pack(self.name)

    def graph(self) -> Graph | None:
        """Return the measurements made when the graph (HNSW) of the dense vectors was built; None without a graph."""
        return Graph.of_record(self.record())

    def how_to_search(self, ef: int | None, recall: float, *, filtered: bool = False) -> Choice:
        """Decide how to search the dense leg: through the graph if its recall suffices, else exactly.

        Args:
            ef, recall: as ``retrieval.ef`` and ``retrieval.recall``.
            filtered: the search has a filter, for which another recall was measured.
        """
        at, graph = self._graph_seen
        if at + GRAPH_SEEN < time.monotonic():
            with _RECORDS:  # else a graph that is being recorded would be missed
                graph = self.graph()
                self._graph_seen = time.monotonic(), graph
        if graph is not None:
            return choose(graph, ef, recall, filtered=filtered)
        return Choice(exact=self.engine.kind == "edge")  # a server may have a graph that was never measured

    # ---- reading ----

    def count(self, doc_id: str | None = None) -> int:
        """Return the exact number of sentences of the collection, or of one document."""
        chosen = None if doc_id is None else document_filter(doc_id)
        return self._client.count(self.name, count_filter=chosen, exact=True).count

    def is_empty(self) -> bool:
        """Return whether the collection has no sentences; faster than counting."""
        return not next(self.pages(1, payload=False))

    def pages(
        self, size: int, filters: models.Filter | None = None, *, payload: bool | list[str] = True
    ) -> Iterator[list[tuple[str, dict[str, Any]]]]:
        """Yield pages of (id, payload), ordered by id.

        Args:
            size: points per page.
            filters: which points; default: all.
            payload: the whole payload, none of it, or these fields.
        """
        offset: Any = None
        while True:
            records, offset = self._client.scroll(
                self.name, scroll_filter=filters, limit=size, offset=offset, with_payload=payload, with_vectors=False
            )
            yield [(str(record.id), record.payload or {}) for record in records]
            if offset is None:
                return

    def sample(self, limit: int) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
        """Return payloads and dense vectors of the first points by id; ids are hashes, so this is a random sample."""
        records, _ = self._client.scroll(self.name, limit=limit, with_payload=True, with_vectors=[DENSE])
        return [record.payload or {} for record in records], np.asarray(list(map(self.dense_of, records)), np.float32)

    def some_vectors(self, limit: int) -> list[tuple[str, Any]]:
        """Return (id, dense vector) of the first points by id."""
        records, _ = self._client.scroll(self.name, limit=limit, with_payload=False, with_vectors=[self.dense_name])
        return [(str(record.id), self.dense_of(record)) for record in records]

    def dense_of(self, record: Any) -> Any:
        """Return the dense vector of a point that was read; it is not in a dict if it is the only one, without name."""
        return record.vector[self.dense_name] if isinstance(record.vector, dict) else record.vector

    def payloads(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return id -> payload; unknown ids are omitted."""
        return self.engine.payloads(self.name, ids)

    def dense_vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return id -> dense vector as stored; unknown ids are omitted."""
        found = self._client.retrieve(self.name, ids=list(ids), with_payload=False, with_vectors=True)
        return {str(record.id): np.asarray(self.dense_of(record), np.float32) for record in found}

    def sparse_vectors(self, ids: Sequence[str]) -> dict[str, dict[int, float]]:
        """Return id -> weights by term, as they are stored; unknown ids are left out."""
        found = self._client.retrieve(self.name, ids=list(ids), with_payload=False, with_vectors=[self.sparse_name])
        vectors = {str(record.id): (record.vector or {}).get(self.sparse_name) for record in found}
        return {
            identity: dict(zip(map(int, vector.indices), map(float, vector.values), strict=True))
            for identity, vector in vectors.items()
            if vector is not None
        }

    def document(self, doc_id: str) -> list[SentenceRecord]:
        """Return the sentences of one document, ordered by position."""
        from indexes.nodes.record import SentenceRecord

        pages = self.pages(PAGE, document_filter(doc_id))
        found = [SentenceRecord.from_payload(payload) for page in pages for _, payload in page]
        return sorted(found, key=lambda record: record.position)

    def sizes(self) -> list[tuple[str, int]]:
        """Return (id, sentences) of every document, by id: one facet over the indexed ``doc_id``."""
        total = self.count()
        hits = self._client.facet(self.name, key="doc_id", limit=total, exact=True).hits if total else []
        return sorted((str(hit.value), hit.count) for hit in hits)

    def documents(self) -> Iterator[DocumentInfo]:
        """Yield the documents, ordered by id.

        Takes their ``sizes``, then the first sentence of each document by its computed id.
        """
        from indexes.nodes.record import point_id

        self.check()
        found = self.sizes()
        for start in range(0, len(found), LOOKUP):
            chunk = found[start : start + LOOKUP]
            heads = self.payloads([point_id(doc_id, 0) for doc_id, _ in chunk])
            for doc_id, sentences in chunk:
                payload = heads.get(point_id(doc_id, 0)) or self._any_payload(doc_id)
                metadata = payload.get("metadata") or {}
                source, title = str(metadata.get("source", doc_id)), str(metadata.get("title") or "")
                date, opening = str(metadata.get("last_modified_date") or ""), str(payload.get("text") or "")
                yield DocumentInfo(doc_id, source, title, sentences, date[:10], opening)

    def _any_payload(self, doc_id: str) -> dict[str, Any]:
        """Return the payload of any sentence, for a document whose first one is missing (deleted by hand)."""
        return next((payload for _, payload in next(self.pages(1, document_filter(doc_id)))), {})

    def windows(self, records: Sequence[SentenceRecord], window: int) -> dict[str, list[SentenceRecord]]:
        """Fetch the windows of records: the record with up to ``window`` sentences on each side.

        A window ends at the end of its section or document, and at a gap (a sentence deleted by hand). The window of a
        child (``record.parent``) is its whole parent, whatever ``window`` is. One call serves all records; none is made
        for window 0.

        Returns:
            record id -> consecutive sentences in document order.
        """
        from indexes.nodes.record import SentenceRecord
        from indexes.store.neighbours import missing_ids, place_of, window_of

        known = {place_of(record): record for record in records}
        missing = missing_ids(records, window)
        if missing:
            fetched = map(SentenceRecord.from_payload, self.payloads(missing).values())
            known.update((place_of(record), record) for record in fetched)
        return {record.id: window_of(record, window, known) for record in records}

    def hybrid_search(
        self,
        dense: NDArray[np.float32] | None,
        sparse: SparseVector | None,
        *,
        limit: int,
        sparse_limit: int | None = None,
        filters: MetadataFilters | models.Filter | None = None,
        method: Method = "minmax",
        dense_weight: float = 1.0,
        sparse_weight: float = 1.0,
        rrf_k: int = 60,
        score_both: bool = True,
        long_sparse: float = 0.0,
        long_near: float = 0.0,
        ef: int | None = None,
        recall: float = RECALL,
        note: Callable[[str], object] | None = None,
        stage: Callable[[str], AbstractContextManager[Any]] = nullcontext,
    ) -> list[HybridHit]:
        """Search one leg, or both and fuse them.

        Args:
            dense: dense vector of the question, float32 (dim,); None: search the sparse leg alone.
            sparse: term weights of the question; None: search the dense leg alone.
            limit: hits per leg.
            sparse_limit: hits of the sparse leg; default: ``limit``.
            filters: conditions for both legs, LlamaIndex's or Qdrant's.
            method, dense_weight, sparse_weight, rrf_k: as for ``fusion.fuse``.
            score_both: with "minmax", score each leg's hits in the other leg too, from the stored vectors or by a
                second search.
            long_sparse, long_near: as ``retrieval.long_sparse`` and ``retrieval.long_near``.
            ef, recall: as ``retrieval.ef`` and ``retrieval.recall``, for a collection with a graph.
            note: called with a sentence if the graph's recall is too low and the search is exact.
            stage: context manager entered for "search" and for "fuse", to measure their times.

        Returns:
            All hits of the searched legs, best first, equal scores by id. With one leg, its own scores.

        Raises:
            CollectionNotFoundError, StoreError (wrong dimension, NaN, unknown vector), SettingsError (weights).
        """
        return self.hybrid_searches(
            [(dense, sparse)],
            limit=limit,
            sparse_limit=sparse_limit,
            filters=filters,
            method=method,
            dense_weight=dense_weight,
            sparse_weight=sparse_weight,
            rrf_k=rrf_k,
            score_both=score_both,
            long_sparse=long_sparse,
            long_near=long_near,
            ef=ef,
            recall=recall,
            note=note,
            stage=stage,
        )[0]

    def hybrid_searches(
        self, questions: Sequence[search.Vectors], *, limit: int, **options: Any
    ) -> list[list[HybridHit]]:
        """Search for several questions in one call of the engine, which saves a server the round trips.

        Args:
            questions: (dense, sparse) of each.
            limit, options: as in ``hybrid_search``; the stages are entered once for all questions.

        Returns:
            The hits of each question.
        """
        return search.hybrid(self, questions, limit=limit, **options)
