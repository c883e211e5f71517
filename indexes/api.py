"""build_index, open_index and Index: the public face of the first floor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from indexes.apply import recover, remove_documents
from indexes.encoders import build_encoder
from indexes.encoders.base import Encoder
from indexes.errors import FingerprintMismatchError, RagWrightError, StoreError
from indexes.ingestion import ingest, plan
from indexes.journal import Journal
from indexes.manifest import Manifest
from indexes.places import ENCODER_FACT, cache_folder, encoder_identity, manifest_path
from indexes.report import IngestReport, Progress
from indexes.settings import IndexSettings
from indexes.settings_loader import load
from indexes.store import generations, points
from indexes.store.client import open_client
from indexes.store.collection import check_collection, check_fingerprint, ensure_collection, read_fingerprint
from indexes.store.points import DocumentInfo
from indexes.tasks import Source
from indexes.verify import Verification, verify

if TYPE_CHECKING:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.retrievers import BaseRetriever

    from indexes.store.sentence_store import SentenceVectorStore


HYBRID_DEPTH = 50  # candidates a leg in Index.retriever


class Index:
    """A collection of sentences, open for searching and writing. Use it as a context manager, or call ``close()``.

    Built by ``build_index`` and ``open_index``; ``report`` tells what the build did (None after ``open_index``).
    ``name`` is the name it was asked for; ``collection`` the one behind it, another after a reindex.
    """

    def __init__(
        self,
        collection: str,
        *,
        settings: IndexSettings,
        client: Any,
        manifest: Manifest,
        encoder: Encoder | None = None,
        owns_client: bool = True,
        name: str | None = None,
    ) -> None:
        self.collection = collection
        self.name = name or collection
        self.settings = settings
        self.client = client
        self.report: IngestReport | None = None
        self._manifest = manifest
        self._encoder = encoder
        self._owns_client = owns_client
        self._loading = threading.Lock()

    @property
    def encoder(self) -> Encoder:
        """The embedding model; loaded on first use, so that counting and deleting cost no model."""
        with self._loading:
            if self._encoder is None:
                encoder = build_encoder(self.settings)
                self._find_vectors_of(encoder)
                self._encoder = encoder
                self._manifest.remember(ENCODER_FACT, encoder_identity(self.settings))
            return self._encoder

    def _find_vectors_of(self, encoder: Encoder) -> None:
        """Turn to what this model filled: the collection, or an older generation that a reindex has kept."""
        try:
            check_fingerprint(self.client, self.collection, encoder.fingerprint)
        except FingerprintMismatchError:
            kept = generations.of_model(self.client, self.name, encoder.fingerprint.digest)
            if kept is None:
                raise
            self._manifest.close()
            shared = not self._owns_client
            self._manifest = Manifest(manifest_path(self.settings.store, kept, shared_client=shared))
            self.collection = kept

    def _refuse_if_moved(self) -> None:
        """What is written into an older generation would be lost with it."""
        now = generations.current(self.client, self.name)
        if now != self.collection:
            raise StoreError(
                f"collection {self.name!r} has moved to another model ({now}), and this is an older one of it "
                f"({self.collection})",
                remedy="open it again, with that model's settings, to write into it",
            )

    def add(
        self, source: Source, *, prune: bool = False, progress: Callable[[Progress], None] | None = None
    ) -> IngestReport:
        """Read more documents in; what is there and unchanged is left alone.

        Args:
            prune: remove the documents of files that are gone from the folders of ``source``.
            progress: called now and then with a ``Progress``, from any thread.

        Raises:
            StoreError: a reindex has moved the collection to another model since it was opened.
        """
        self._refuse_if_moved()
        self.report = ingest(
            source,
            client=self.client,
            collection=self.collection,
            encoder=lambda: self.encoder,
            encoder_digest=self._digest(),
            manifest=self._manifest,
            settings=self.settings,
            cache_folder=None if self._manifest.path is None else cache_folder(self.settings.store),
            prune=prune,
            progress=progress,
        )
        return self.report

    def verify(self, *, repair: bool = False) -> Verification:
        """Compare manifest and collection point by point, and mend what differs.

        Raises:
            StoreError: ``repair``, and the manifest remembers nothing at all of a collection that holds points.
            CollectionLockedError: ``repair`` while another process is writing.
        """
        return verify(self.client, self.collection, self._manifest, repair=repair)

    def _digest(self) -> str:
        """Of the model that filled the collection; the model itself is loaded when there is something to encode,
        or where its settings are others than when it was loaded last."""
        recorded = read_fingerprint(self.client, self.collection)
        known = self._manifest.fact(ENCODER_FACT) == encoder_identity(self.settings)
        if self._encoder is None and recorded is not None and known:
            return str(recorded["digest"])
        return self.encoder.fingerprint.digest

    @property
    def count(self) -> int:
        """Number of stored sentences."""
        return points.count(self.client, self.collection)

    def documents(self) -> list[DocumentInfo]:
        """Every indexed document, by id."""
        return list(points.iter_documents(self.client, self.collection))

    def delete(self, doc_id: str) -> int:
        """Remove one document and return how many sentences went with it (0: there was no such document)."""
        self._refuse_if_moved()
        with self._manifest.writer():
            return remove_documents(self.client, self.collection, self._manifest, [doc_id])

    @property
    def vector_store(self) -> SentenceVectorStore:
        """A LlamaIndex vector store over the same points (dense, sparse and hybrid queries, metadata filters)."""
        from indexes.store.sentence_store import SentenceVectorStore

        encoder = self.encoder  # first: it decides which generation is asked
        return SentenceVectorStore(client=self.client, collection_name=self.collection, encoder=encoder)

    def vector_store_index(self) -> VectorStoreIndex:
        """A stock LlamaIndex VectorStoreIndex over the same points."""
        from llama_index.core import VectorStoreIndex

        from indexes.encoders.llama_index import as_embedding

        return VectorStoreIndex.from_vector_store(self.vector_store, embed_model=as_embedding(self.encoder))

    def retriever(self, *, top_k: int = 10, mode: str = "hybrid", alpha: float = 0.5, **options: Any) -> BaseRetriever:
        """A stock LlamaIndex retriever.

        Args:
            top_k: nodes returned.
            mode: "hybrid", "default" (dense only) or "sparse".
            alpha: weight of the dense leg in hybrid mode, 0 to 1.
            options: passed on to LlamaIndex's VectorIndexRetriever (``filters``, ``doc_ids``, ...).

        For reranking, windows and HyDE use ``rag.build_retriever(index)``.
        """
        if self.encoder.lexical is None and mode == "hybrid":
            mode = "default"  # the model has one leg only, and the collection was built with that one
        if mode == "hybrid":
            # Each leg is asked for more than is wanted: a sentence second on both legs may be first of all.
            depth = max(HYBRID_DEPTH, top_k)
            options = {"sparse_top_k": depth, "hybrid_top_k": top_k, **options}
        else:
            depth = top_k
            options = {"sparse_top_k": top_k, **options}
        return self.vector_store_index().as_retriever(
            similarity_top_k=depth, vector_store_query_mode=mode, alpha=alpha, **options
        )

    def close(self) -> None:
        """Flush and let go of the collection (another process may open it then)."""
        self._manifest.close()
        if self._owns_client:
            self.client.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def build_index(
    source: Source,
    *,
    collection: str = "default",
    settings: IndexSettings | None = None,
    encoder: Encoder | None = None,
    client: Any = None,
    prune: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Index:
    """Read documents into a collection (created if need be) and return it open.

    Running it again reads only what is new or changed, and loads no model where nothing is.

    Args:
        source: a file or folder, a list of them, LlamaIndex Documents, or nodes.
        collection: its name.
        settings: default: what rag.toml, ``RAG_*`` variables and the profile say.
        encoder: an embedding model already loaded; default: built from ``settings.encoder``.
        client: a Qdrant client to use instead of ``settings.store``; it stays open after ``Index.close()``.
        prune: remove the documents of files that are gone from the folders of ``source``.
        progress: called now and then with a ``Progress``, from any thread.

    Raises:
        SourceError: a path does not exist or is of no kind we read.
        FingerprintMismatchError: the collection was built with another model.
        StoreError, EncoderError: the store or the model failed; what was acknowledged before stays.
        Interrupted: Ctrl-C (a KeyboardInterrupt with ``report``); what was acknowledged before stays.

    Files that cannot be read are skipped and listed in ``Index.report.files`` with the reason.

        >>> from indexes import build_index  # doctest: +SKIP
        >>> with build_index("docs", collection="guide") as index:  # doctest: +SKIP
        ...     print(index.count, index.report.skipped)
    """
    settings = settings or load(IndexSettings).settings
    owns_client = client is None
    client = client if client is not None else open_client(settings.store)
    index: Index | None = None
    manifest: Manifest | None = None
    try:
        name, collection = collection, generations.current(client, collection)
        path = manifest_path(settings.store, collection, shared_client=not owns_client)
        if not client.collection_exists(collection) or encoder is not None:
            encoder = encoder or build_encoder(settings)
            ensure_collection(
                client,
                collection,
                fingerprint=encoder.fingerprint,
                idf=encoder.lexical is not None and encoder.lexical.idf,
                settings=settings.store,
            )
        manifest = Manifest(path)
        index = Index(
            collection,
            settings=settings,
            client=client,
            manifest=manifest,
            encoder=encoder,
            owns_client=owns_client,
            name=name,
        )
        if points.is_empty(client, collection):
            manifest.clear()  # the collection was dropped behind our back: nothing of the old entries holds
        if encoder is not None:
            manifest.remember(ENCODER_FACT, encoder_identity(settings))
        index.add(source, prune=prune, progress=progress)
    except BaseException:
        with suppress(RagWrightError):  # the disk may be full: the first error is the one to be told
            if index is not None:
                index.close()
            elif owns_client:
                client.close()
        raise
    return index


def open_index(
    collection: str = "default",
    *,
    settings: IndexSettings | None = None,
    encoder: Encoder | None = None,
    client: Any = None,
    check_model: bool = True,
) -> Index:
    """Open a collection that ``build_index`` made.

    Args:
        check_model: compare the configured model with the one that built the collection now. False leaves that to
            the first search, so that listing and deleting need no model at all.

    Raises:
        CollectionNotFoundError: there is none of that name; the error lists those there are.
        FingerprintMismatchError: it was built with another model; the error says which and the way out.
        CollectionLockedError: another process has it open.
    """
    settings = settings or load(IndexSettings).settings
    owns_client = client is None
    client = client if client is not None else open_client(settings.store)
    try:
        name, collection = collection, generations.current(client, collection)
        check_collection(client, collection)
        manifest = Manifest(manifest_path(settings.store, collection, shared_client=not owns_client))
        index = Index(
            collection,
            settings=settings,
            client=client,
            manifest=manifest,
            encoder=encoder,
            owns_client=owns_client,
            name=name,
        )
        _finish_what_died(index, manifest)
        if encoder is not None:
            index._find_vectors_of(encoder)
        elif check_model:
            index.encoder  # noqa: B018 - loads and checks
    except BaseException:
        if owns_client:
            client.close()
        raise
    return index


def plan_index(
    source: Source, *, collection: str = "default", settings: IndexSettings | None = None, prune: bool = False
) -> IngestReport:
    """What ``build_index`` would do with these files: nothing is written, no model is loaded, no lock is taken.

    Where the model of the settings is another than that of the collection, ``build_index`` refuses; this does not
    look at it.

    Raises:
        SourceError: a path does not exist or is of no kind we read; or the source is no path.
    """
    settings = settings or load(IndexSettings).settings
    client = open_client(settings.store)
    try:
        collection = generations.current(client, collection)
        path = manifest_path(settings.store, collection, shared_client=False)
        digest, there = "", client.collection_exists(collection)
        if there:
            digest = str((read_fingerprint(client, collection) or {}).get("digest", ""))
    finally:
        client.close()
    manifest = Manifest(path if there and isinstance(path, Path) and path.exists() else ":memory:")
    try:
        return plan(source, manifest=manifest, encoder_digest=digest, settings=settings, prune=prune)
    finally:
        manifest.close()


def _finish_what_died(index: Index, manifest: Manifest) -> None:
    """A run that was killed leaves no half document behind for a search: it is finished or undone first.

    Where another process is writing just now (a server's collection), that is nobody's to mend.
    """
    if manifest.unfinished() and manifest.lock():
        try:
            journal = Journal(manifest.path)
            recover(index.client, index.collection, manifest, journal)
            journal.close()
        finally:
            manifest.unlock()
