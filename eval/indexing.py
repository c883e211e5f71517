"""index_dataset: a dataset's documents through the real pipeline, kept by content and recipe."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.embedding_cache import CachedEncoder, CachedPaired, cache_encoder, cache_folder, digest
from indexes.encoders.base import Encoder
from indexes.errors import SourceError
from indexes.settings import IndexSettings

COLLECTION = "eval"
DONE = "complete"


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
) -> Any:
    """An open ``indexes.Index`` over the dataset's documents, built by ``indexes.build_index`` on first use.

    A document's text is its title, a blank line and its text; its id is the dataset's. The index lies in the cache,
    named by the documents and by everything that decides what is stored, so a second call opens it in milliseconds;
    another recipe over the same texts costs no forward pass, since embeddings are kept by content.

    Args:
        settings: ``settings.store`` gives the engine's options; its path and url are replaced by the cache.
        cache: see ``embedding_cache.cache_folder``.
        encoder: a model already loaded.

    Raises:
        SourceError: the dataset has no documents: it is one over an index of the user's own, which is to be opened.
    """
    from llama_index.core.schema import Document

    from indexes import build_index, open_index

    if not dataset.corpus:
        raise SourceError(
            f"the dataset {dataset.name!r} has no documents of its own",
            remedy="open the index that its judgements name, with --collection",
        )
    model = cached_encoder(settings, cache, encoder)
    place = cache_folder(cache) / "indexes" / f"{dataset.corpus_hash}-{recipe_digest(settings, model)}"
    store = settings.store.model_copy(update={"path": place, "url": None})
    # Embeddings are kept here already; the pipeline's own cache would keep them twice.
    ingest = settings.ingest.model_copy(update={"cache_mb": 0})
    settings = settings.model_copy(update={"store": store, "ingest": ingest})
    if (place / DONE).is_file():
        return open_index(COLLECTION, settings=settings, encoder=model)
    shutil.rmtree(place, ignore_errors=True)  # of an earlier call that did not end
    documents = [
        Document(id_=p.id, text=p.content, metadata={"source": p.id, **({"title": p.title} if p.title else {})})
        for p in dataset.corpus.values()
        if p.content.strip()
    ]
    index = build_index(documents, collection=COLLECTION, settings=settings, encoder=model, progress=progress)
    (place / DONE).write_text("", encoding="utf-8")
    return index


def recipe_digest(settings: IndexSettings, encoder: Encoder) -> str:
    """16 hex digits over all that decides which points a document becomes."""
    from indexes.tasks import RECIPE_VERSION

    tree = settings.model_dump(mode="json")
    sections = {name: tree[name] for name in ("split", "sparse") if name in tree}
    store = {key: value for key, value in tree["store"].items() if key in ("engine", "quantization")}
    return digest([RECIPE_VERSION, encoder.fingerprint.digest, sections, store])
