"""Encoders that ask the cache first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from indexes.encoders.base import CountsTokens, DenseModel, Encoded, Encoder, Fingerprint, Lexical, Spans, SparseVector
from indexes.encoders.cache.vectors import IN_PASSAGE, QUESTIONS, CacheStats, Vectors, passage_text
from indexes.encoders.paired import PairedEncoder, read_passages, read_twice, sentences_of
from indexes.encoders.vectors import estimated_tokens


def cached(encoder: Encoder, folder: Path | None, *, limit_mb: int | None = None) -> CachedEncoder | CachedPaired:
    """Put the cache in front of an encoder; a cached encoder is returned unchanged.

    >>> from types import SimpleNamespace
    >>> encoder = SimpleNamespace(fingerprint=Fingerprint("demo", "f3ab", 384, "mean"), max_tokens=512, lexical=None)
    >>> once = cached(encoder, None)
    >>> cached(once, None) is once, once.max_tokens
    (True, 512)

    Args:
        folder: folder of the cache files, each named after its fingerprint; None: no cache. Of a dense model with BM25
            only the dense side is cached: BM25 costs nothing, and its parameters do not affect the dense vectors.
        limit_mb: size in MB above which closing the cache removes the oldest vectors; 0: no cache; None (default): no
            limit, so that nothing is removed while an evaluation reads it.
    """
    if isinstance(encoder, (CachedEncoder, CachedPaired)):
        return encoder
    folder = None if limit_mb == 0 else folder
    if isinstance(encoder, PairedEncoder):
        return CachedPaired(encoder, folder, limit_mb)
    return CachedEncoder(encoder, folder, limit_mb)


class _Cached:
    """Common part of the cached encoders. ``last_query_ms``: milliseconds that the last question's encoding took when
    it was first done."""

    last_query_ms = 0.0
    vectors: Vectors

    @property
    def stats(self) -> CacheStats:
        return self.vectors.stats

    def close(self) -> None:
        """Remove the oldest vectors if the file exceeds its limit, and close it; the next use opens it again."""
        self.vectors.close()


class CachedEncoder(_Cached):
    """Cached encoder for models that compute all their vectors in one forward pass.

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> encoder = SimpleNamespace(
    ...     fingerprint=Fingerprint("demo", "f3ab", 2, "mean"),
    ...     encode_documents=lambda texts: Encoded(np.ones((len(texts), 2), np.float32)),
    ... )
    >>> kept = CachedEncoder(encoder, folder, None)
    >>> for texts in (["rain", "snow"], ["snow", "hail"]):
    ...     _ = kept.encode_documents(texts)
    >>> kept.stats
    CacheStats(found=1, encoded=3)
    >>> kept.close()
    """

    def __init__(self, encoder: Encoder, folder: Path | None, limit_mb: int | None) -> None:
        self._inner = encoder
        self.fingerprint = encoder.fingerprint
        self.vectors = Vectors(folder, self.fingerprint, limit_mb)
        self.parallel = 1

    @property
    def dim(self) -> int:
        return self.fingerprint.dim

    @property
    def max_tokens(self) -> int:
        return self._inner.max_tokens

    @property
    def lexical(self) -> Lexical | None:
        return self._inner.lexical

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``, so that sentences are cut as without the cache."""
        if isinstance(self._inner, CountsTokens):
            return self._inner.count_tokens(texts)
        return estimated_tokens(texts)

    def encode_documents(self, texts: Sequence[str], lexical_texts: Sequence[str] | None = None) -> Encoded:
        """As ``Encoder.encode_documents``; one pass over ``texts`` gives both sides, ``lexical_texts`` is ignored."""
        return self.vectors.encode("d", texts, self._inner.encode_documents)[0]

    def dense_documents(self, texts: Sequence[str]) -> Encoded:
        """Return the dense side alone."""
        return replace(self.encode_documents(texts), sparse=None)

    def encode_passages(self, passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
        """As ``ReadsPassages.encode_passages``; sentences and passages are encoded, and cached, as separate texts."""
        return read_twice(self.encode_documents, passages, spans)

    def lexical_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Return the sparse side alone; here it takes a forward pass."""
        return (self.encode_documents(texts).sparse or []) if texts else []

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        encoded, self.last_query_ms = self.vectors.encode(self.question_kind, texts, self._inner.encode_queries)
        return encoded

    @property
    def question_runtime(self) -> str | None:
        """As ``PairedEncoder.question_runtime``."""
        return getattr(self._inner, "question_runtime", None)

    @property
    def question_kind(self) -> str:
        """As ``PairedEncoder.question_kind``."""
        return getattr(self._inner, "question_kind", QUESTIONS[0])


class CachedPaired(_Cached, PairedEncoder):
    """A ``PairedEncoder`` whose dense model is cached.

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from indexes.encoders.bm25 import Bm25
    >>> dense = SimpleNamespace(model="demo", weights="f3ab", dim=2, pooling="mean", prompts={})
    >>> dense.embed = lambda texts, query: Encoded(np.ones((len(texts), 2), np.float32))
    >>> kept = CachedPaired(PairedEncoder(dense, Bm25()), None, None)
    >>> encoded = kept.encode_documents(["It rains.", "It rains and storms."])
    >>> encoded.dense.shape, [len(row) for row in encoded.sparse], kept.stats.encoded
    ((2, 2), [1, 2], 2)
    """

    def __init__(self, encoder: PairedEncoder, folder: Path | None, limit_mb: int | None) -> None:
        dense_only = replace(encoder.fingerprint, sparse="none")
        first = encoder.lexical.parameters_under(1) if encoder.lexical else "none"
        self.vectors = Vectors(folder, dense_only, limit_mb, old=replace(encoder.fingerprint, sparse=first))
        keep = getattr(encoder.lexical, "kept_in", None)  # only a lexical side that runs a network has it
        lexical = encoder.lexical if keep is None else keep(lambda own: Vectors(folder, own, limit_mb))
        super().__init__(_CachedModel(encoder.dense, self.vectors, dense_only), lexical)
        self.vectors.admit(self.parallel)

    def close(self) -> None:
        super().close()
        close = getattr(self.lexical, "close", None)
        if close is not None:
            close()

    def dense_documents(self, texts: Sequence[str]) -> Encoded:
        """Return the dense side alone."""
        return self.dense.embed(texts, query=False)

    def encode_passages(self, passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
        """As ``ReadsPassages.encode_passages``. The key of a sentence covers its passage too."""
        if getattr(self.dense, "token_states", None) is None:
            return super().encode_passages(passages, spans)
        places = {
            passage_text(passage, start, end): (number, place)
            for number, (passage, parts) in enumerate(zip(passages, spans, strict=True))
            for place, (start, end) in enumerate(parts)
        }

        def read(missing: list[str]) -> Encoded:
            wanted: dict[int, list[int]] = {}
            for text in missing:
                number, place = places[text]
                wanted.setdefault(number, []).append(place)
            parts = [[spans[number][place] for place in chosen] for number, chosen in wanted.items()]
            return read_passages(self.dense, [passages[number] for number in wanted], parts)

        named = [passage_text(passage, *span) for passage, parts in zip(passages, spans, strict=True) for span in parts]
        encoded, _ = self.vectors.encode(IN_PASSAGE, named, read)
        sparse = self.lexical.encode_documents(sentences_of(passages, spans)) if self.lexical else None
        return replace(encoded, sparse=sparse)

    def lexical_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Return the sparse side alone, without the dense model."""
        return self.lexical.encode_documents(texts) if self.lexical else []

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        model = self.dense
        started = time.perf_counter()
        encoded = super().encode_queries(texts)
        spent = (time.perf_counter() - started) * 1000
        # ``spent`` holds BM25's time, and the model's only if the question was encoded just now.
        self.last_query_ms = max(spent, model.last_query_ms if isinstance(model, _CachedModel) else 0.0)
        return encoded


class _CachedModel:
    """A cached ``DenseModel``."""

    def __init__(self, model: DenseModel, vectors: Vectors, fingerprint: Fingerprint) -> None:
        self._inner, self._vectors = model, vectors
        self.model, self.weights, self.dim = fingerprint.model, fingerprint.weights, fingerprint.dim
        self.pooling, self.prompts = fingerprint.pooling, fingerprint.prompts
        self.last_query_ms = 0.0

    @property
    def max_tokens(self) -> int:
        return self._inner.max_tokens

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        kind = getattr(self._inner, "question_kind", QUESTIONS[0]) if query else "d"
        encoded, spent = self._vectors.encode(kind, texts, lambda missing: self._inner.embed(missing, query=query))
        if query:
            self.last_query_ms = spent
        return encoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # further attributes of the model, such as its tokenizer
