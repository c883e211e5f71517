"""FlagEmbeddingReranker with LlamaIndex's arguments and our own scoring loop."""

from __future__ import annotations

from rag.rerankers.cross_encoder import CrossEncoder, load_cross_encoder
from rag.settings import RerankSettings


def FlagEmbeddingReranker(
    top_n: int = 2, model: str = "BAAI/bge-reranker-large", use_fp16: bool = False
) -> CrossEncoder:
    """Load a cross-encoder with the arguments of ``llama-index-postprocessor-flag-embedding-reranker``.

    Args:
        top_n: number of nodes to keep.
        model: hub name or folder.
        use_fp16: whether to use half precision if the device supports it, instead of float32.

    Raises:
        RerankerError: the model cannot be found or loaded.
    """
    reranker = load_cross_encoder(RerankSettings(model=model, dtype="auto" if use_fp16 else "float32"))
    reranker.top_n = top_n
    return reranker
