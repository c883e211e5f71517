"""A dense model with BM25 (or nothing) beside it: together an ``Encoder``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from indexes.encoders.base import CountsTokens, DenseModel, Encoded, Fingerprint
from indexes.encoders.bm25 import Bm25
from indexes.encoders.vectors import estimated_tokens


class PairedEncoder:
    """An ``Encoder`` made of a ``DenseModel`` and a lexical side.

    Args:
        dense: the model of the dense leg.
        lexical: BM25, or None for an index without a lexical leg.
    """

    def __init__(self, dense: DenseModel, lexical: Bm25 | None) -> None:
        self.dense, self.lexical = dense, lexical

    @property
    def dim(self) -> int:
        return self.dense.dim

    @property
    def max_tokens(self) -> int:
        return self.dense.max_tokens

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model=self.dense.model,
            weights=self.dense.weights,
            dim=self.dense.dim,
            pooling=self.dense.pooling,
            prompts=self.dense.prompts,
            sparse=self.lexical.parameters if self.lexical else "none",
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``; a foreign dense model that cannot count has its tokens estimated."""
        if isinstance(self.dense, CountsTokens):
            return self.dense.count_tokens(texts)
        return estimated_tokens(texts)

    def encode_documents(self, texts: Sequence[str], lexical_texts: Sequence[str] | None = None) -> Encoded:
        """As ``Encoder.encode_documents``; BM25 counts ``lexical_texts`` where it is not to read the headings."""
        encoded = self.dense.embed(texts, query=False)
        counted = texts if lexical_texts is None else lexical_texts
        sparse = self.lexical.encode_documents(counted) if self.lexical else None
        return replace(encoded, sparse=sparse)

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        encoded = self.dense.embed(texts, query=True)
        sparse = self.lexical.encode_queries(texts) if self.lexical else None
        return replace(encoded, sparse=sparse)
