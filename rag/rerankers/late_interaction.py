"""Late interaction (ColBERT) with BGE-M3's multi-vector head: each token of the question is matched with its nearest.

The score is the mean over the question's tokens of their largest cosine among the text's tokens, as in FlagEmbedding's
``colbert_score`` (BGE M3-Embedding, arXiv 2402.03216, equation 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr

from indexes.encoders.bge_m3 import BgeM3
from rag.rerankers.base import Reranker, RerankScores, empty_scores, fingerprint_of


class LateInteraction(Reranker):
    """Rerank with a loaded ``BgeM3``, which an index may share: one model in memory, one more pass per text.

    The raw score is a mean cosine in [-1, 1]; the probability is the same, with negative values set to 0.

    >>> from types import SimpleNamespace
    >>> rows = {"opens": [[1, 0]], "opens late": [[1, 0], [0, 1]], "fees": [[0, 1]]}  # a vector for each token
    >>> read = lambda texts, query: ([np.array(rows[text], np.float32) for text in texts], ())
    >>> reranker = LateInteraction(SimpleNamespace(model="bge-m3", token_vectors=read))  # in the place of a BgeM3
    >>> reranker.score("opens", ["opens late", "fees"]).raw.tolist()
    [1.0, 0.0]
    """

    _encoder: BgeM3 = PrivateAttr()

    def __init__(self, encoder: BgeM3, **fields: object) -> None:
        super().__init__(model=encoder.model, **fields)
        self._encoder = encoder

    @property
    def fingerprint(self) -> str:
        encoder = self._encoder
        weights = encoder.weights or encoder.model
        return fingerprint_of("late interaction", weights, encoder.dtype, encoder.max_tokens)

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        if not texts:
            return empty_scores()
        (query_tokens,), _ = self._encoder.token_vectors([query], query=True)
        found, truncated = self._encoder.token_vectors(texts, query=False)
        raw = np.array([(query_tokens @ tokens.T).max(axis=1).mean() for tokens in found], np.float32)
        return RerankScores(raw, np.clip(raw, 0, 1), truncated)
