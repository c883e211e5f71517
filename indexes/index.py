"""Index: a collection of sentences, open for searching and writing."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from indexes.display import counted
from indexes.encoders import as_embedding, build_encoder
from indexes.encoders.base import Encoder
from indexes.errors import FingerprintMismatchError, SettingsError, StoreError, must_be
from indexes.manifest.manifest import Manifest
from indexes.manifest.paths import ENCODER_FACT, cache_folder, encoder_identity, manifest_path
from indexes.manifest.roots import Roots
from indexes.nodes.record import SentenceRecord
from indexes.registry import find_builder
from indexes.settings.sections import IndexSettings
from indexes.store.collection import Collection, DocumentInfo
from indexes.store.generations import Generations
from indexes.store.shared import forget, release
from indexes.store.stock import StockCollection
from indexes.store.upkeep import bulk
from indexes.store.upkeep import graph as upkeep

if TYPE_CHECKING:
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.core.base.base_query_engine import BaseQueryEngine
    from llama_index.core.chat_engine.types import BaseChatEngine
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.vector_stores.types import BasePydanticVectorStore

    from indexes.ingest.events import Source
    from indexes.ingest.report import IngestReport, Progress
    from indexes.manifest.erasing import Erasure
    from indexes.manifest.verify import Verification
    from indexes.store.models.graph import Built

HYBRID_DEPTH = 50  # candidates per leg in Index.retriever
CHANGED = ("added", "updated", "duplicate")  # status in IngestReport of new and changed documents
MODES = ("hybrid", "default", "sparse", "mmr")  # of Index.retriever
WINDOW = 3  # sentences on each side, as retrieval.window


class Index:
    """A collection of sentences, open for searching and writing. Use it as a context manager, or call ``close()``.

    Built by ``build_index`` and ``open_index``; ``report`` is the result of the build (None after ``open_index``).
    ``name`` is the requested name, ``store`` the collection behind it, which changes with a reindex.
    """

    def __init__(
        self,
        store: Collection,
        settings: IndexSettings,
        manifest: Manifest,
        encoder: Encoder | None = None,
        *,
        owns_client: bool = True,
        name: str | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.store = store
        self.name = name or store.name
        self.settings = settings
        self.report: IngestReport | None = None
        self.notes = list(notes)  # the origin of the encoder, if not the settings
        self._manifest = manifest
        self._encoder = encoder
        self._owns_client = owns_client
        # If dropped without close(), others that share the store must not wait for it.
        self._lease = weakref.finalize(self, forget, store.engine) if owns_client else None
        if self._lease is not None:
            self._lease.atexit = False
        self._loading = threading.Lock()

    @property
    def collection(self) -> str:
        """Name of the collection behind the index."""
        return self.store.name

    @property
    def client(self) -> Any:
        """The Qdrant client, on which LlamaIndex's Qdrant store can run."""
        return self.store.engine.client

    @property
    def encoder(self) -> Encoder:
        """The embedding model, loaded on first use, so that counting and deleting need no model."""
        with self._loading:
            if self._encoder is None:
                encoder = build_encoder(self.settings)
                self._find_vectors_of(encoder)
                self._encoder = encoder
                if not self._manifest.read_only:
                    self._manifest.remember(ENCODER_FACT, encoder_identity(self.settings))
            return self._encoder

    def _find_vectors_of(self, encoder: Encoder) -> None:
        """Switch to the collection that this model filled: the current one, or an older generation."""
        try:
            self.store.check_fingerprint(encoder.fingerprint)
        except FingerprintMismatchError:
            generations = Generations(self.store.engine, self.name)
            kept = generations.of_model(encoder.fingerprint.digest)
            if kept is None:
                raise
            self._manifest.close()
            shared = not self._owns_client
            self._manifest = Manifest(manifest_path(self.settings.store, kept, shared_client=shared))
            self.store = generations.of(kept)

    def check_model(self) -> None:
        """Load the model, if necessary, and compare it with that of the collection.

        Raises:
            FingerprintMismatchError: the models differ.
        """
        if self._encoder is not None:
            self._find_vectors_of(self._encoder)
        else:
            self.encoder  # noqa: B018 - loads and checks

    def _refuse_if_moved(self) -> None:
        """Reject writing to an older generation, with which it would be lost."""
        self.store.check_writable()
        now = Generations(self.store.engine, self.name).current()
        if now != self.collection:
            raise StoreError(
                f"collection {self.name!r} has moved to another model ({now}), and this is an older one of it "
                f"({self.collection})",
                remedy="open it again, with that model's settings, to write into it",
            )

    def add(
        self,
        source: Source,
        *,
        prune: bool = False,
        progress: Callable[[Progress], None] | None = None,
        optimize: bool = True,
        workers: int | str | None = None,
    ) -> IngestReport:
        """Read more documents. Unchanged files are skipped.

        Args:
            source: as for ``build_index``.
            prune: remove documents whose files were deleted from the folders of ``source``.
            progress: called from time to time with a ``Progress``, from any thread.
            optimize: build the collection's graph if it is large enough (``store.hnsw_from``).
            workers: number of processes that read files, or the address of a Dask scheduler whose workers do, into a
                Qdrant server (extra ``cluster``).

        Raises:
            SettingsError: ``workers`` with the embedded engine.
            StoreError: a reindex has moved the collection to another model since it was opened.
        """
        from indexes.ingest.run import ingest

        self._refuse_if_moved()
        spread = None
        if workers is not None:
            from indexes.cluster.driver import check_workers, spread_over

            check_workers(workers, self.settings)
            spread = spread_over(workers, self.settings)
        waiting = self._manifest.erase_due  # left by an earlier run
        self.report = ingest(
            source,
            store=self.store,
            encoder=lambda: self.encoder,
            encoder_digest=self._digest(),
            manifest=self._manifest,
            settings=self.settings,
            cache_folder=None if self._manifest.path is None else cache_folder(self.settings.store),
            prune=prune,
            progress=progress,
            spread=spread,
        )
        if self._manifest.erase_due:
            self.report.erased = self.erase(now=waiting)
        bulk.end(self.store)  # also that of a run that was killed
        if optimize and self.report.sentences_added:
            self._add_graph(self.report, progress)
        return self.report

    def _add_graph(self, report: IngestReport, progress: Callable[[Progress], None] | None) -> None:
        from indexes.ingest.report import Progress

        def begins(sentences: int) -> None:
            if progress is not None:
                done, added = len(report.files), report.sentences_added
                current = f"the graph of {counted(sentences, 'sentence')}"
                progress(Progress(done, done, added, current, report.seconds, files=report.files))

        found = upkeep.optimize_if_due(self.store, self.settings.store, begins)
        report.graph, report.no_graph = (None, found) if isinstance(found, str) else (found, None)

    def optimize(self, *, force: bool = False) -> Built:
        """Build the graph (HNSW) of the collection, measure its recall, and record it.

        The collection can be searched and written meanwhile.

        Args:
            force: also below ``store.hnsw_from`` sentences.

        Raises:
            StoreError: it failed; the collection is unchanged.
        """
        self._refuse_if_moved()
        return upkeep.optimize(self.store, self.settings.store, force=force)

    def verify(self, *, repair: bool = False, deep: bool = False) -> Verification:
        """Compare manifest and collection point by point.

        Args:
            repair: remove what differs, so that the next run reads it again.
            deep: also compare texts and vectors with their checksums.

        Raises:
            CollectionLockedError: ``repair`` while another process is writing.
        """
        from indexes.manifest.verify import verify

        return verify(self.store, self._manifest, repair=repair, deep=deep)

    def _digest(self) -> str:
        """Return the digest of the collection's model, loading the model only if its settings changed."""
        recorded = self.store.fingerprint()
        known = self._manifest.fact(ENCODER_FACT) == encoder_identity(self.settings)
        if self._encoder is None and recorded is not None and known:
            return str(recorded["digest"])
        return self.encoder.fingerprint.digest

    @property
    def count(self) -> int:
        """Number of stored sentences."""
        return self.store.count()

    def documents(self) -> list[DocumentInfo]:
        """Return all indexed documents, ordered by id."""
        return list(self.store.documents())

    def places(self) -> dict[str, str]:
        """Return id -> absolute path of all files in the manifest; identical files have different ids."""
        known = {entry.doc_id: entry.source for entry in self._manifest if entry.mtime_ns}
        roots = Roots(self._manifest.roots())
        return known | {roots.place(copy.path).doc_id: copy.path for copy in self._manifest.copies()}

    def skipped(self) -> list[tuple[str, str]]:
        """Return (name, reason) of files and archive members that could not be read in the last run that tried."""
        from indexes.manifest.skipped import skipped_files

        return skipped_files(self._manifest)

    def document(self, doc_id: str) -> list[SentenceRecord]:
        """Return all sentences of a document, in order; ``join_records`` restores its text. [] for an unknown document.

        >>> join_records(index.document(citation["doc_id"]))  # doctest: +SKIP
        """
        must_be(str, "doc_id", doc_id, "give the id of a document, as index.documents() shows them")
        return self.store.document(doc_id)

    def window(self, sentence_id: str, size: int = WINDOW) -> list[SentenceRecord]:
        """Return a sentence with up to ``size`` sentences on each side, in order, as an answer reads it.

        A window ends at the end of its section; that of a child is its whole parent. [] for an unknown sentence.
        """
        try:
            payload = self.store.payloads([str(UUID(sentence_id))])
        except (ValueError, TypeError, AttributeError):  # not an id
            return []
        records = [SentenceRecord.from_payload(found) for found in payload.values()]
        return self.store.windows(records, size)[records[0].id] if records else []

    def delete(self, doc_id: str) -> int:
        """Remove a document and return the number of sentences removed.

        0 for an unknown document, and if another file has the same text, under which it stays.
        """
        from indexes.manifest.erasing import forget_upload
        from indexes.manifest.moves import remove_place

        must_be(str, "doc_id", doc_id, "give the id of a document, as index.documents() shows them")
        self._refuse_if_moved()
        with self._manifest.writer():
            source = self.places().get(doc_id)
            removed = remove_place(self.store, self._manifest, doc_id)
            if source is not None and source not in self.places().values():
                forget_upload(self.settings.store, source)
            return removed

    def erase(self, *, now: bool = False) -> Erasure:
        """Erase deleted texts from all files of the store, older generations and the encoding cache included.

        Args:
            now: also if that takes long (from 20,000 sentences on). False: the next ``add`` does it then.
        """
        from indexes.manifest.erasing import erase

        with self._manifest.writer():
            return erase(self.store, self.name, self._manifest, self.settings.store, now=now)

    @property
    def vector_store(self) -> BasePydanticVectorStore:
        """Return a LlamaIndex vector store over the same points (dense, sparse and hybrid queries, metadata filters).

        For a collection created by LlamaIndex, this is its own store.
        """
        if isinstance(self.store, StockCollection):
            return self.store.as_vector_store()
        from indexes.store.sentence_store import SentenceVectorStore

        encoder = self.encoder  # first, as it determines the generation
        return SentenceVectorStore(client=self.client, collection_name=self.collection, encoder=encoder)

    def vector_store_index(self) -> VectorStoreIndex:
        """Return a stock LlamaIndex VectorStoreIndex over the same points."""
        from llama_index.core import VectorStoreIndex

        return VectorStoreIndex.from_vector_store(self.vector_store, embed_model=as_embedding(self.encoder))

    def retriever(self, *, top_k: int = 10, mode: str = "hybrid", alpha: float = 0.5, **options: Any) -> BaseRetriever:
        """Return a stock LlamaIndex retriever.

        Args:
            top_k: nodes returned.
            mode: "hybrid", "default" (dense only), "sparse" or "mmr" (dense, selected for diversity).
            alpha: weight of the dense leg in hybrid mode, 0 to 1.
            options: passed to LlamaIndex's VectorIndexRetriever (``filters``, ``doc_ids``, ...).

        For reranking, windows and HyDE use ``rag.build_retriever(index)``.
        """
        if mode not in MODES:
            raise SettingsError(f"mode is {mode!r}", remedy=f"use one of: {', '.join(MODES)}")
        if self.encoder.lexical is None and mode == "hybrid":
            mode = "default"  # the model, and so the collection, has only one leg
        if mode == "hybrid":
            # Request more hits per leg than are returned: a sentence that is second in both legs may be first in all.
            depth = max(HYBRID_DEPTH, top_k)
            options = {"sparse_top_k": depth, "hybrid_top_k": top_k, **options}
        else:
            depth = top_k
            options = {"sparse_top_k": top_k, **options} if mode != "mmr" else options
        return self.vector_store_index().as_retriever(
            similarity_top_k=depth, vector_store_query_mode=mode, alpha=alpha, **options
        )

    # ---- as LlamaIndex's own indexes ----

    def as_retriever(self, **options: Any) -> BaseRetriever:
        """Return ``rag.build_retriever(index, ...)``; without that package a stock LlamaIndex retriever."""
        build = find_builder("retriever")
        return build(self, **options) if build else self.vector_store_index().as_retriever(**options)

    def as_query_engine(self, **options: Any) -> BaseQueryEngine:
        """Return ``rag.build_query_engine(index, ...)``; without that package a stock LlamaIndex query engine."""
        build = find_builder("query")
        return build(self, **options) if build else self.vector_store_index().as_query_engine(**options)

    def as_chat_engine(self, **options: Any) -> BaseChatEngine:
        """Return ``rag.build_chat_engine(index, ...)``; without that package a stock LlamaIndex chat engine."""
        build = find_builder("chat")
        return build(self, **options) if build else self.vector_store_index().as_chat_engine(**options)

    def insert(self, document: Document) -> None:
        """Add a LlamaIndex Document, replacing one with the same id."""
        self.add([document])

    def delete_ref_doc(self, ref_doc_id: str, **_: Any) -> None:
        """Remove a document (LlamaIndex's name of ``delete``)."""
        self.delete(ref_doc_id)

    def refresh_ref_docs(self, documents: Sequence[Document]) -> list[bool]:
        """Add the new and changed ones of these documents, and return for each whether it was."""
        return [any(file.status in CHANGED for file in self.add([document]).files) for document in documents]

    def __repr__(self) -> str:
        recorded = self.store.fingerprint() or {"model": "model of its owner"}
        return f"Index({self.name!r}, {counted(self.count, 'sentence')}, {recorded['model']})"

    def close(self) -> None:
        """Flush and close the collection; another process may then open it."""
        self._manifest.close()
        if self._lease is not None and self._lease.detach():
            release(self.store.engine)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
