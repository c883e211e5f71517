"""Any LlamaIndex embedding model as the dense side of an encoder, with BM25 beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray

from indexes.encoders.base import Encoded, Encoder
from indexes.encoders.paired import PairedEncoder
from indexes.errors import EncoderError
from indexes.settings.sections import IndexSettings

PROBE = "A lamp is lit before the evening. 傍晚之前点灯。"
STRONGEST = 8  # components of the probe's vector that name the model: the largest ones survive rounding


class EmbeddingModel:
    """A ``DenseModel`` over a LlamaIndex ``BaseEmbedding``. The model is asked for one vector when it is first used.

    LlamaIndex does not say how long a text a model reads, so ``max_tokens`` is 0 and nothing is reported as cut.
    """

    max_tokens = 0
    pooling = "llama_index"

    def __init__(self, embedding: BaseEmbedding) -> None:
        self.embedding = embedding
        self.prompts: dict[str, str] = {}  # the embedding model puts its own

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
        """A hash of class, name and the strongest components of a probe's vector: other weights have others."""
        strongest = sorted(np.argsort(-np.abs(self._probe), kind="stable")[:STRONGEST].tolist())
        return hashlib.sha256(f"{self.model}\n{self.dim}\n{strongest}".encode()).hexdigest()[:16]

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        if not texts:
            return Encoded(np.empty((0, self.dim), np.float32))
        if query:
            return Encoded(self._unit([self.embedding.get_query_embedding(text) for text in texts]))
        return Encoded(self._unit(self.embedding.get_text_embedding_batch(list(texts))))

    def _unit(self, rows: Sequence[Sequence[float]]) -> NDArray[np.float32]:
        vectors = np.asarray(rows, dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
        if vectors.ndim != 2 or not np.isfinite(vectors).all() or not norms.all():
            raise EncoderError(
                f"the embedding model {self.model!r} gave a vector that is zero, or no vector",
                remedy="check that it is an embedding model and that its server answers",
            )
        return vectors / norms


def as_encoder(encoder: Encoder | BaseEmbedding, settings: IndexSettings) -> Encoder:
    """Return an encoder as it is, and a LlamaIndex embedding model with BM25 (``sparse.kind``) beside it."""
    if not isinstance(encoder, BaseEmbedding):
        return encoder
    from indexes.encoders.llama_index_embedding import EncoderEmbedding

    if isinstance(encoder, EncoderEmbedding):
        return encoder.encoder
    if settings.sparse.kind == "none":
        return PairedEncoder(EmbeddingModel(encoder), None)
    from indexes.encoders.bm25 import Bm25

    return PairedEncoder(EmbeddingModel(encoder), Bm25(settings.sparse))
