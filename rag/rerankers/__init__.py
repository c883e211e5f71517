"""Rerankers, one class per kind, all LlamaIndex node postprocessors. Importing this package loads no model library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexes.registry import face, factory
from rag.settings import RerankSettings

if TYPE_CHECKING:
    from rag.rerankers.base import Reranker, RerankScores

__all__ = ["FlagEmbeddingReranker", "RerankScores", "Reranker", "build_reranker"]


__getattr__, __dir__ = face(
    __name__,
    {
        "FlagEmbeddingReranker": "rag.rerankers.flag_embedding",  # brings torch
        "RerankScores": "rag.rerankers.base",
        "Reranker": "rag.rerankers.base",
    },
)

_RERANKERS = {
    "cross_encoder": "rag.rerankers.cross_encoder:load_cross_encoder",
    "llm": "rag.rerankers.llm_based:load_llm_reranker",
    "api": "rag.rerankers.api:connect_reranker",
}


def build_reranker(settings: RerankSettings) -> Reranker | None:
    """Load the reranker that the settings name; return None for provider "none".

    >>> settings = RerankSettings(provider="api", model="BAAI/bge-reranker-v2-m3", base_url="http://127.0.0.1:8000/v1")
    >>> build_reranker(settings).url  # nothing is sent before the first question
    'http://127.0.0.1:8000/v1/rerank'
    >>> build_reranker(RerankSettings(provider="none")) is None
    True

    Raises:
        RerankerError: the model cannot be found or loaded.
        MissingExtraError: a package is not installed.
    """
    if settings.provider == "none":
        return None
    reranker: Reranker = factory(_RERANKERS, settings.provider)(settings)
    return reranker
