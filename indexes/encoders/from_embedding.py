"""Any LlamaIndex embedding model as the dense side of an encoder, with BM25 beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray

from indexes.encoders.base import Encoded, Encoder, Fingerprint, SparseVector
from indexes.encoders.batching import batch_done
from indexes.encoders.paired import PairedEncoder, lexical_side
from indexes.errors import EncoderError
from indexes.settings.sections import IndexSettings

PROBE = "A lamp is lit before the evening. 傍晚之前点灯。"
STRONGEST = 8  # components of the probe's vector that identify the model: the largest survive rounding


class EmbeddingModel:
    """A LlamaIndex ``BaseEmbedding`` as a ``DenseModel``. The first use computes one vector as a probe.

    >>> from llama_index.core.embeddings import MockEmbedding
    >>> EmbeddingModel(MockEmbedding(embed_dim=8)).dim
    8

    LlamaIndex does not report a model's maximum length, so ``max_tokens`` is 0 and no text is reported as truncated.
    """

    max_tokens = 0
    pooling = "llama_index"

    def __init__(self, embedding: BaseEmbedding) -> None:
        self.embedding = embedding
        self.prompts: dict[str, str] = {}  # the embedding model adds its own

    @property
    def model(self) -> str:
        return f"{self.embedding.class_name()}:{self.embedding.model_name}"

    @cached_property
    def _probe(self) -> NDArray[np.float32]:
        return self._unit([self.embedding.get_text_embedding(PROBE)])[0]

    @property
    def dim(self) -> int:
        return int(self._probe.shape[0])

    @cached_property
    def weights(self) -> str:
        """Hash of the class, the name and the strongest components of a probe's vector, which depend on the weights."""
        strongest = sorted(np.argsort(-np.abs(self._probe), kind="stable")[:STRONGEST].tolist())
        return hashlib.sha256(f"{self.model}\n{self.dim}\n{strongest}".encode()).hexdigest()[:16]

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        if not texts:
            return Encoded(np.empty((0, self.dim), np.float32))
        if query:
            return Encoded(self._unit([self.embedding.get_query_embedding(text) for text in texts]))
        rows: list[list[float]] = []
        size = max(1, self.embedding.embed_batch_size)
        for start in range(0, len(texts), size):
            part = list(texts[start : start + size])
            rows += self.embedding.get_text_embedding_batch(part)
            batch_done(len(part))
        return Encoded(self._unit(rows))

    def _unit(self, rows: Sequence[Sequence[float]]) -> NDArray[np.float32]:
        vectors = np.asarray(rows, dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
        if vectors.ndim != 2 or not np.isfinite(vectors).all() or not norms.all():
            raise EncoderError(
                f"the embedding model {self.model!r} returned a zero vector, or none",
                remedy="check that it is an embedding model and that its server answers",
            )
        return vectors / norms


class QuestionEncoder:
    """Encodes questions for a collection that LlamaIndex wrote.

    Dense vectors come from any encoder, sparse ones from the store's ``sparse_query_fn``, if it had one.

    >>> from types import SimpleNamespace
    >>> encoder = SimpleNamespace(encode_queries=lambda texts: Encoded(np.ones((len(texts), 2), np.float32)))
    >>> questions = QuestionEncoder(encoder, lambda texts: ([[8, 3]], [[1.0, 0.5]]))
    >>> questions.encode_queries(["rain"]).sparse
    [SparseVector(indices=array([3, 8], dtype=uint32), values=array([0.5, 1. ], dtype=float32))]
    """

    lexical = None

    def __init__(
        self, encoder: Encoder, sparse_query_fn: Callable[[list[str]], tuple[list[list[int]], list[list[float]]]] | None
    ) -> None:
        self._encoder, self._sparse_of = encoder, sparse_query_fn
        self.dense = getattr(encoder, "dense", None)

    @property
    def dim(self) -> int:
        return self._encoder.dim

    @property
    def max_tokens(self) -> int:
        return self._encoder.max_tokens

    @property
    def fingerprint(self) -> Fingerprint:
        return replace(self._encoder.fingerprint, sparse="none")

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        return replace(self._encoder.encode_documents(texts), sparse=None)

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        encoded = self._encoder.encode_queries(texts)
        if self._sparse_of is None:
            return replace(encoded, sparse=None)
        rows = zip(*self._sparse_of(list(texts)), strict=True)
        return replace(encoded, sparse=[_sorted(indices, values) for indices, values in rows])


def _sorted(indices: Sequence[int], values: Sequence[float]) -> SparseVector:
    where, weights = np.asarray(indices, np.uint32), np.asarray(values, np.float32)
    order = np.argsort(where, kind="stable")
    return SparseVector(where[order], weights[order])


def as_encoder(encoder: Encoder | BaseEmbedding, settings: IndexSettings) -> Encoder:
    """Return an ``Encoder``: one that is given unchanged, a LlamaIndex embedding model paired with ``sparse.kind``.

    >>> from llama_index.core.embeddings import MockEmbedding
    >>> as_encoder(MockEmbedding(embed_dim=8), IndexSettings()).encode_queries(["Where is the key?"]).dense.shape
    (1, 8)
    """
    if not isinstance(encoder, BaseEmbedding):
        return encoder
    from indexes.encoders.llama_index_embedding import EncoderEmbedding

    if isinstance(encoder, EncoderEmbedding):
        return encoder.encoder
    return PairedEncoder(EmbeddingModel(encoder), lexical_side(settings))
