"""index_dataset: index a dataset's documents with the real pipeline, cached by content and recipe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.dataset import Dataset
from eval.measure.cache import cache_encoder, cache_folder, digest, make_folder
from indexes.encoders.base import Encoder
from indexes.encoders.cache import CachedEncoder, CachedPaired
from indexes.errors import SourceError
from indexes.files import beside
from indexes.lock import Lock
from indexes.settings.sections import IndexSettings

if TYPE_CHECKING:
    from llama_index.core.schema import Document

COLLECTION = "eval"
DONE = "complete"

_LOG = logging.getLogger(__name__)


def cached_encoder(
    settings: IndexSettings, cache: str | Path | None = None, encoder: Encoder | None = None
) -> CachedEncoder | CachedPaired:
    """Return the configured encoder, or the given one, behind the embedding cache."""
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
    """Return an open ``indexes.Index`` of the dataset's documents; ``indexes.build_index`` builds it on first use.

    A document is indexed as its title, a blank line and its text, under its id. The index is cached under a hash of
    the documents and of all settings that decide what is stored, so a second call opens it in milliseconds. Another
    recipe over the same texts needs no forward pass, since embeddings are cached by content.

    The index is built in a temporary folder and renamed when complete, so an interrupted build is never used. Until it
    is closed, other processes that need the same index wait (see ``say``).

    >>> from indexes.settings.sections import IndexSettings
    >>> index_dataset(Dataset("mine", {}, {"q1": "When?"}, {"q1": {"d1": 1}}), IndexSettings())
    Traceback (most recent call last):
        ...
    indexes.errors.SourceError: the dataset 'mine' has no documents; open the index that its judgements refer to with
     --collection

    Args:
        settings: ``settings.store`` gives the engine's options; the cache replaces its path and url.
        cache: see ``eval.measure.cache.cache_folder``.
        encoder: a model that is already loaded.
        progress: see ``indexes.build_index``.
        say: receives the message that this process is waiting for another one; default: a warning in the log.

    Raises:
        SourceError: the dataset has no documents; its judgements refer to an existing index, which must be opened.
        CollectionLockedError: the index is already open in this process.
    """
    from indexes import open_index

    if not dataset.corpus:
        raise SourceError(
            f"the dataset {dataset.name!r} has no documents",
            remedy="open the index that its judgements refer to with --collection",
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
    """Build the index completely or not at all, and return the build's report."""
    from indexes import build_index

    with beside(place) as aside:
        given: dict[str, Any] = {"settings": _at(settings, aside), "encoder": model, "progress": progress}
        with build_index(documents_of(dataset), collection=COLLECTION, **given) as index:
            report = index.report
        (aside / DONE).write_text("", encoding="utf-8")
    return report


def documents_of(dataset: Dataset) -> list[Document]:
    r"""Return the dataset's documents that have a text, as they are indexed.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {"d1": CorpusPassage("d1", "Notice", "It is three months."), "d2": CorpusPassage("d2")}
    >>> [(document.id_, document.text) for document in documents_of(Dataset("mine", corpus, {}, {}))]
    [('d1', 'Notice\n\nIt is three months.')]
    """
    from llama_index.core.schema import Document

    return [
        Document(id_=p.id, text=p.content, metadata={"source": p.id, **({"title": p.title} if p.title else {})})
        for p in dataset.corpus.values()
        if p.content.strip()
    ]


def _at(settings: IndexSettings, place: Path) -> IndexSettings:
    """Return the settings with the store at ``place``."""
    return settings.model_copy(update={"store": settings.store.model_copy(update={"path": place, "url": None})})


def recipe_digest(settings: IndexSettings, encoder: Encoder) -> str:
    """Return 16 hex digits over all settings that decide which points a document becomes.

    >>> from types import SimpleNamespace
    >>> encoder = SimpleNamespace(fingerprint=SimpleNamespace(digest="0" * 16))
    >>> wider = IndexSettings.model_validate({"split": {"max_chars": 400}})
    >>> recipe_digest(IndexSettings(), encoder) == recipe_digest(wider, encoder)
    False
    """
    from indexes.ingest.events import RECIPE_VERSION
    from indexes.ingest.vector_shape import vector_shape

    tree = settings.model_dump(mode="json")
    sections = {name: tree[name] for name in ("split", "sparse") if name in tree}
    store = {key: value for key, value in tree["store"].items() if key in ("engine", "quantization")}
    return digest([RECIPE_VERSION, encoder.fingerprint.digest, sections, vector_shape(settings), store])
