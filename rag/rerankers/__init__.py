"""Rerankers: one class a kind, all LlamaIndex node postprocessors. Importing this package loads no model library."""

from __future__ import annotations

from rag.rerankers.base import Reranker, RerankScores
from rag.settings import RerankSettings

__all__ = ["RerankScores", "Reranker", "build_reranker"]


def build_reranker(settings: RerankSettings) -> Reranker | None:
    """The reranker that the settings name, loaded and ready; None for provider "none".

    Raises:
        RerankerError: the model cannot be found or loaded.
        MissingExtraError: a package is not installed.
    """
    match settings.provider:
        case "none":
            return None
        case "cross_encoder":
            from rag.rerankers.cross_encoder import load_cross_encoder

            return load_cross_encoder(settings)
        case "llm":
            from rag.rerankers.llm_based import load_llm_reranker

            return load_llm_reranker(settings)
        case "api":
            from rag.rerankers.api import connect_reranker

            return connect_reranker(settings)
