"""build_index, open_index and plan_index: the public interface of ``indexes``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from indexes.display import Bilingual
from indexes.encoders import build_encoder
from indexes.encoders.base import Encoder
from indexes.errors import RagWrightError, SettingsError, SourceError, must_be
from indexes.index import Index
from indexes.manifest.manifest import Manifest
from indexes.manifest.paths import ENCODER_FACT, encoder_identity, manifest_path
from indexes.manifest.recovery import finish_what_died
from indexes.settings.loader import load
from indexes.settings.sections import IndexSettings
from indexes.store.checks import check_name, check_new_name
from indexes.store.client import as_engine, open_engine
from indexes.store.collection import Collection, DocumentInfo
from indexes.store.generations import Generations
from indexes.store.shared import open_shared, release
from indexes.store.stock import SparseQueryFunction, StockCollection, is_stock

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    from indexes.ingest.events import Source
    from indexes.ingest.report import IngestReport, Progress

KINDS = "pass a path, a list of paths, LlamaIndex Documents, or text nodes"

__all__ = ["DocumentInfo", "Index", "build_index", "open_index", "plan_index"]


def build_index(
    source: Source,
    *,
    collection: str = "default",
    settings: IndexSettings | None = None,
    encoder: Encoder | BaseEmbedding | None = None,
    client: Any = None,
    prune: bool = False,
    progress: Callable[[Progress], None] | None = None,
    workers: int | str | None = None,
) -> Index:
    """Read documents into a collection, which is created if it does not exist, and return it open.

    Running it again reads only new and changed files; if there are none, no model is loaded. Files that cannot be read
    are skipped and listed in ``Index.report.files`` with the reason.

    Args:
        source: a file or folder, a list of them, LlamaIndex Documents, or nodes.
        collection: name of the collection.
        settings: default: from rag.toml, ``RAG_*`` variables and the profile.
        encoder: an embedding model already loaded: one of ours, or any LlamaIndex ``BaseEmbedding`` (dense vectors
            from it, sparse ones from BM25). Default: built from ``settings.encoder``; if no encoder is configured and
            LlamaIndex's ``Settings.embed_model`` is set, that one, and ``Index.notes`` reports it.
        client: a Qdrant client to use instead of ``settings.store``; it stays open after ``Index.close()``.
        prune: remove documents whose files were deleted from the folders of ``source``.
        progress: called from time to time with a ``Progress``, from any thread.
        workers: number of processes that read files, or the address of a Dask scheduler whose workers do
            ("tls://host:8786"), into a Qdrant server (``store.url``). Processes start your script anew, so its work
            must begin below ``if __name__ == "__main__":``.

    Raises:
        SourceError: a path does not exist or is of a format that is not read.
        SettingsError: ``workers`` with the embedded engine or a custom encoder.
        FingerprintMismatchError: the collection was built with another model.
        StoreError, EncoderError: the store or the model failed; acknowledged documents stay.
        Interrupted: Ctrl-C (a KeyboardInterrupt with ``report``); acknowledged documents stay.

        >>> from indexes import build_index  # doctest: +SKIP
        >>> with build_index("docs", collection="guide") as index:  # doctest: +SKIP
        ...     print(index.count, index.report.skipped)
    """
    _check(collection, settings, encoder, client)
    if not isinstance(source, (str, Path, Iterable)):
        raise SourceError(f"a source of {type(source).__name__} cannot be indexed", remedy=KINDS)
    if not isinstance(source, (str, Path)):
        source = list(source)  # type: ignore[assignment]
    _check_paths(source)
    settings = settings or load(IndexSettings).settings
    encoder, notes = _chosen(encoder, settings)
    if workers is not None:
        from indexes.cluster.driver import check_workers

        check_workers(workers, settings, own_model=encoder is not None)
    owns_client = client is None
    engine = open_shared(settings.store) if owns_client else as_engine(client)
    index: Index | None = None
    manifest: Manifest | None = None
    try:
        store = Collection(engine, Generations(engine, collection).current())
        path = manifest_path(settings.store, store.name, shared_client=not owns_client)
        if not store.exists():
            check_new_name(collection)
        if not store.exists() or encoder is not None:
            encoder = encoder or build_encoder(settings)
            idf = encoder.lexical is not None and encoder.lexical.idf
            lengths = settings.split.passage > 0
            store.ensure(encoder.fingerprint, idf=idf, settings=settings.store, lengths=lengths)
        manifest = Manifest(path)
        index = Index(store, settings, manifest, encoder, owns_client=owns_client, name=collection, notes=notes)
        if store.is_empty():
            manifest.clear()  # the collection was deleted by another program: the entries are void
        if encoder is not None:
            manifest.remember(ENCODER_FACT, encoder_identity(settings))
        index.add(source, prune=prune, progress=progress, workers=workers)
    except BaseException:
        with suppress(RagWrightError):  # the disk may be full: the first error is the one to report
            if index is not None:
                index.close()
            elif owns_client:
                release(engine)
        raise
    return index


def open_index(
    collection: str = "default",
    *,
    settings: IndexSettings | None = None,
    encoder: Encoder | BaseEmbedding | None = None,
    client: Any = None,
    check_model: bool = True,
    sparse_query_fn: SparseQueryFunction | None = None,
) -> Index:
    """Open a collection built by ``build_index`` or, read-only, one of LlamaIndex's ``QdrantVectorStore``.

    Args:
        collection: name of the collection.
        settings, client: as for ``build_index``.
        encoder: as for ``build_index``; required for a collection of LlamaIndex, which does not record its model.
        check_model: compare the configured model with that of the collection now. False: on the first search, so that
            listing and deleting need no model.
        sparse_query_fn: the ``sparse_query_fn`` of a hybrid LlamaIndex collection; without it only the dense leg is
            searched, and a note says so.

    Raises:
        CollectionNotFoundError: the collection does not exist; the error lists the existing ones.
        FingerprintMismatchError: it was built with another model; the error names it and the remedy.
        CollectionLockedError: another process keeps it open for more than ``store.wait`` seconds.
    """
    _check(collection, settings, encoder, client)
    settings = settings or load(IndexSettings).settings
    encoder, notes = _chosen(encoder, settings)
    owns_client = client is None
    engine = open_shared(settings.store, patience=settings.store.wait) if owns_client else as_engine(client)
    index: Index | None = None
    try:
        store = Collection(engine, Generations(engine, collection).current())
        store.check()
        if encoder is not None and is_stock(store):
            from indexes.encoders.from_embedding import QuestionEncoder

            store = StockCollection(engine, store.name, sparse_query_fn=sparse_query_fn)
            encoder = QuestionEncoder(encoder, sparse_query_fn)
        elif sparse_query_fn is not None:
            raise SettingsError(
                f"sparse_query_fn was given, and collection {collection!r} was "
                + ("opened without a model" if encoder is None else "made by RagWright"),
                remedy="give it with encoder=, for a collection that LlamaIndex's QdrantVectorStore made",
            )
        foreign = not owns_client or isinstance(store, StockCollection)
        manifest = Manifest(manifest_path(settings.store, store.name, shared_client=foreign))
        index = Index(store, settings, manifest, encoder, owns_client=owns_client, name=collection, notes=notes)
        finish_what_died(index.store, manifest)
        if encoder is not None or check_model:
            index.check_model()
    except BaseException:
        if index is not None:
            index.close()
        elif owns_client:
            release(engine)
        raise
    return index


def plan_index(
    source: Source, *, collection: str = "default", settings: IndexSettings | None = None, prune: bool = False
) -> IngestReport:
    """Return what ``build_index`` would do with these files. Writes nothing, loads no model, takes no lock.

    The collection's model is not compared with that of the settings, which ``build_index`` does.

    >>> _ = (folder / "a.md").write_text("It rains.")
    >>> settings = IndexSettings(store={"path": folder / "store"})
    >>> [(Path(file.path).name, file.status) for file in plan_index(folder / "a.md", settings=settings).files]
    [('a.md', 'added')]

    Raises:
        SourceError: a path does not exist or is of a format that is not read, or the source is not a path.
    """
    from indexes.ingest.run import plan

    settings = settings or load(IndexSettings).settings
    with closing(open_engine(settings.store)) as engine:
        store = Collection(engine, Generations(engine, collection).current())
        path = manifest_path(settings.store, store.name, shared_client=False)
        digest, there = "", store.exists()
        if there:
            digest = str((store.fingerprint() or {}).get("digest", ""))
    with closing(Manifest(path if there and isinstance(path, Path) and path.exists() else ":memory:")) as manifest:
        return plan(source, manifest=manifest, encoder_digest=digest, settings=settings, prune=prune)


def _check(collection: object, settings: object, encoder: object, client: object) -> None:
    """Check the types of arguments.

    Raises:
        SettingsError, StoreError: a wrong argument.
    """
    check_name(collection)
    loaded = "give what load_settings() returns, for example load_settings(profile='offline')"
    must_be((IndexSettings, NoneType), "settings", settings, loaded)
    encodes = hasattr(encoder, "encode_queries") or hasattr(encoder, "get_query_embedding")
    if encoder is not None and (isinstance(encoder, type) or not encodes):
        raise SettingsError(
            f"encoder is {encoder!r:.80}, which cannot be used",
            remedy="give an encoder of ours, or a LlamaIndex embedding such as OllamaEmbedding(model_name=...); a "
            "model is named by the setting encoder.model",
        )
    if client is not None and not hasattr(client, "collection_exists"):
        raise SettingsError(
            f"client is {client!r:.80}, which is not a Qdrant client",
            remedy="give QdrantClient(...) or index.client; an address is the setting store.url",
        )


def _check_paths(source: Source) -> None:
    """Check that the paths of a source can be read, so that a wrong one creates no collection.

    Raises:
        SourceError: a path does not exist or is of a format that is not read.
    """
    from indexes.ingest.run import paths_of
    from indexes.ingest.walk_files import named

    for path in paths_of(source) or ():
        named(path)


def _chosen(encoder: Encoder | BaseEmbedding | None, settings: IndexSettings) -> tuple[Encoder | None, list[str]]:
    """Return the encoder of a call: the one given, else that in LlamaIndex's ``Settings``, and notes."""
    if encoder is not None:
        from indexes.encoders.from_embedding import as_encoder

        return as_encoder(encoder, settings), []
    # If LlamaIndex's settings were not imported, they are not set. Their public property would build OpenAI's.
    theirs = sys.modules.get("llama_index.core.settings")
    own = None if theirs is None or "encoder" in settings.model_fields_set else theirs.Settings._embed_model
    if own is None:
        return None, []
    from indexes.encoders.from_embedding import as_encoder

    name = own.model_name
    note = Bilingual(
        f"the encoder is LlamaIndex's Settings.embed_model ({name})",
        f"向量模型取自 LlamaIndex 的 Settings.embed_model（{name}）",
    )
    return as_encoder(own, settings), [note]
