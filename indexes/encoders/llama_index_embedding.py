"""An encoder as a LlamaIndex embedding model, so that stock LlamaIndex parts can use it."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import PrivateAttr

from indexes.encoders.base import Encoder


class EncoderEmbedding(BaseEmbedding):
    """The dense side of an ``Encoder`` as a ``BaseEmbedding``; async calls run in a thread, off the event loop.

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from indexes.encoders.base import Encoded, Fingerprint
    >>> encoder = SimpleNamespace(
    ...     fingerprint=Fingerprint("demo", "f3ab", 2, "mean"),
    ...     encode_queries=lambda texts: Encoded(np.array([[0.0, 1.0]], np.float32)),
    ... )
    >>> embedding = EncoderEmbedding(encoder)
    >>> embedding.model_name, embedding.get_query_embedding("rain")
    ('demo', [0.0, 1.0])

    Args:
        encoder: any encoder.
        embed_batch_size: texts passed to the encoder at once, which it batches itself; with LlamaIndex's default of
            10 most of its speed would be lost.
    """

    _encoder: Encoder = PrivateAttr()

    def __init__(self, encoder: Encoder, *, embed_batch_size: int = 512, **more: Any) -> None:
        super().__init__(model_name=encoder.fingerprint.model, embed_batch_size=embed_batch_size, **more)
        self._encoder = encoder

    @classmethod
    def class_name(cls) -> str:
        return "EncoderEmbedding"

    @property
    def encoder(self) -> Encoder:
        return self._encoder

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._encoder.encode_queries([query]).dense[0].tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._encoder.encode_documents(texts).dense.tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
