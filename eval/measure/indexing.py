"""index_dataset: a dataset's documents through the real pipeline, kept by content and recipe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.measure.cache import cache_encoder, cache_folder, digest, make_folder
from indexes.encoders.base import Encoder
from indexes.encoders.cache import CachedEncoder, CachedPaired
from indexes.errors import SourceError
from indexes.files import beside
from indexes.lock import Lock
from indexes.settings.sections import IndexSettings

COLLECTION = "eval"
DONE = "complete"

_LOG = logging.getLogger(__name__)


def cached_encoder(
    settings: IndexSettings, cache: str | Path | None = None, encoder: Encoder | None = None
) -> CachedEncoder | CachedPaired:
    """The configured encoder (or the one given) behind the embedding cache."""
    from indexes.encoders import build_encoder

    return cache_encoder(encoder or build_encoder(settings), cache_folder(cache))


def index_dataset(
    dataset: Dataset,
    settings: IndexSettings,
    *,
    cache: str | Path | None = None,
    encoder: Encoder | None = None,
    progress: Callable[[Any], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Any:
    """An open ``indexes.Index`` over the dataset's documents, built by ``indexes.build_index`` on first use.

    A document's text is its title, a blank line and its text; its id is the dataset's. The index lies in the cache,
    named by the documents and by everything that decides what is stored, so a second call opens it in milliseconds;
    another recipe over the same texts costs no forward pass, since embeddings are kept by content.

    It is built aside and renamed when it is complete, so an interrupted build is never taken for an index. Until it is
    closed it belongs to this process: another one that asks for the same index waits, and says so (``say``).

    Args:
        settings: ``settings.store`` gives the engine's options; its path and url are replaced by the cache.
        cache: see ``eval.measure.cache.cache_folder``.
        encoder: a model already loaded.
        say: gets the sentence that this process waits for another; default: a warning in the log, which Python writes
            to stderr unless told otherwise.

    Raises:
        SourceError: the dataset has no documents: it is one over an index of the user's own, which is to be opened.
        CollectionLockedError: this process has it open already.
    """
    from indexes import open_index

    if not dataset.corpus:
        raise SourceError(
            f"the dataset {dataset.name!r} has no documents of its own",
            remedy="open the index that its judgements name, with --collection",
        )
    model = cached_encoder(settings, cache, encoder)
    place = cache_folder(cache) / "indexes" / f"{dataset.corpus_hash}-{recipe_digest(settings, model)}"
    make_folder(place.parent)
    lock = Lock(place.with_name(place.name + ".lock"), f"the index of {dataset.name!r}")
    lock.take(say or _LOG.warning)
    try:
        report = None
        if not (place / DONE).is_file():
            report = _build(dataset, settings, place, model, progress)
        index = open_index(COLLECTION, settings=_at(settings, place), encoder=model)
    except BaseException:
        lock.release()
        raise
    index.report = report
    close = index.close

    def close_and_release() -> None:
        try:
            close()
        finally:
            lock.release()

    index.close = close_and_release  # type: ignore[method-assign]
    return index


def _build(
    dataset: Dataset, settings: IndexSettings, place: Path, model: Encoder, progress: Callable[[Any], None] | None
) -> Any:
    """Build the index whole or not at all; the report of the build."""
    from llama_index.core.schema import Document

    from indexes import build_index

    documents = [
        Document(id_=p.id, text=p.content, metadata={"source": p.id, **({"title": p.title} if p.title else {})})
        for p in dataset.corpus.values()
        if p.content.strip()
    ]
    with beside(place) as aside:
        with build_index(
            documents, collection=COLLECTION, settings=_at(settings, aside), encoder=model, progress=progress
        ) as index:
            report = index.report
        (aside / DONE).write_text("", encoding="utf-8")
    return report


def _at(settings: IndexSettings, place: Path) -> IndexSettings:
    """The settings with the store at ``place``."""
    return settings.model_copy(update={"store": settings.store.model_copy(update={"path": place, "url": None})})


def recipe_digest(settings: IndexSettings, encoder: Encoder) -> str:
    """16 hex digits over all that decides which points a document becomes."""
    from indexes.ingest.events import RECIPE_VERSION

    tree = settings.model_dump(mode="json")
    sections = {name: tree[name] for name in ("split", "sparse") if name in tree}
    store = {key: value for key, value in tree["store"].items() if key in ("engine", "quantization")}
    return digest([RECIPE_VERSION, encoder.fingerprint.digest, sections, store])
