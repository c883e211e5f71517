"""What fits a graphics card: language model, encoder and reranker, and the best place of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from indexes.plain import Plain
from rag.planning.sizes import GB, LLMS, RUNTIME, LLMShape, ReaderShape

CARDS = (4, 8, 12, 16, 24)  # GB, as cards are sold
GIB = 1 << 30
KEPT_FREE = 0.06  # share of a card for the screen and fragmentation
CONTEXTS = (8192, 4096, 2048)
LARGE = 4e9  # parameters from which a language model is worth a card's memory
VLLM_SHARE = 0.9  # --gpu-memory-utilization


@dataclass(frozen=True, slots=True)
class Part(Plain):
    """One thing that takes memory.

    >>> Part("encoder", "card", 1.1e9, "567 million weights in 2 bytes").as_dict()
    {'name': 'encoder', 'where': 'card', 'bytes': 1100000000.0, 'how': '567 million weights in 2 bytes'}

    Args:
        where: "card" or "memory" (the computer's).
        bytes: what it takes.
        how: how the bytes are computed, in words.
    """

    name: str
    where: str
    bytes: float
    how: str


@dataclass(slots=True)
class Placement(Plain):
    """A choice of models and their places.

    >>> placement = Placement(8, [Part("encoder", "card", 2e9, "567 million weights in 2 bytes")])
    >>> placement.used, placement.fits
    (2000000000.0, True)

    Args:
        card_gb: the card's memory in GB.
        parts: what takes memory.
        settings: setting -> value for rag.toml, and environment variables of servers.
    """

    card_gb: float
    parts: list[Part] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def used(self) -> float:
        """Bytes used on the card."""
        return sum(part.bytes for part in self.parts if part.where == "card")

    @property
    def room(self) -> float:
        """Bytes that can be used on the card."""
        return self.card_gb * GIB * (1 - KEPT_FREE)

    @property
    def fits(self) -> bool:
        return self.used <= self.room

    def as_dict(self) -> dict[str, object]:
        return {**Plain.as_dict(self), "used": self.used, "room": self.room, "fits": self.fits}


def llm_parts(shape: LLMShape, context: int, parallel: int) -> list[Part]:
    """Return what a language model's server takes on a card.

    >>> shape = LLMShape("qwen3:8b", 8.19e9, layers=36, kv_heads=8, head_dim=128)
    >>> [(part.name, in_gb(part.bytes)) for part in llm_parts(shape, context=8192, parallel=1)]
    [('qwen3:8b, weights', '5.2 GB'), ('qwen3:8b, context', '1.2 GB'), ('the model server itself', '0.5 GB')]

    Args:
        context: tokens of prompt and answer.
        parallel: number of answers at once.
    """
    billions = f"{shape.parameters / 1e9:.3g} billion weights as {shape.weight_format}"
    cache = f"{parallel} x {context} tokens of {shape.cache(1) / 1024:.0f} KB"
    return [
        Part(f"{shape.name}, weights", "card", shape.weights, billions),
        Part(f"{shape.name}, context", "card", shape.cache(context, parallel), cache),
        Part("the model server itself", "card", RUNTIME, "buffers and CUDA"),
    ]


def reader_part(shape: ReaderShape, batch_tokens: int, *, card: bool) -> Part:
    """Return what an encoder or reranker takes, on the card or in the computer's memory.

    >>> reader_part(ReaderShape("BAAI/bge-m3", 568e6, width=1024, dim=1024), 4096, card=True).how
    '568 million weights in 2 bytes, batches of 4096 tokens'
    """
    if card:
        how = f"{shape.parameters / 1e6:.0f} million weights in 2 bytes, batches of {batch_tokens} tokens"
        return Part(shape.name, "card", shape.card_bytes(batch_tokens), how)
    how = f"{shape.parameters / 1e6:.0f} million weights on the processor"
    return Part(shape.name, "memory", shape.card_bytes(batch_tokens, half=False), how)


def suggest(
    card_gb: float,
    *,
    encoder: ReaderShape | None,
    reranker: ReaderShape | None,
    encoder_batch: int,
    reranker_batch: int,
    parallel: int = 1,
) -> Placement | None:
    """Return the best placement that fits a card; None if nothing fits.

    The first choice is the largest language model of at least four billion parameters that leaves room for encoder and
    reranker: on the processor a reranker needs longer for fifty windows than everything else. Else it is the largest
    language model that fits alone (one partly on the processor writes at the processor's speed), with encoder and
    reranker on the processor.

    >>> placement = suggest(8, encoder=None, reranker=None, encoder_batch=0, reranker_batch=0)
    >>> placement.settings["llm.model"], placement.fits
    ('qwen3:8b', True)
    """
    readers = [
        (name, shape, batch)
        for name, shape, batch in (("rerank", reranker, reranker_batch), ("encoder", encoder, encoder_batch))
        if shape is not None
    ]
    large = [shape for shape in LLMS.values() if shape.parameters >= LARGE]
    for context in CONTEXTS:
        for shapes, together in ((large, True), (LLMS.values(), False)):
            for shape in shapes:
                found = _placed(card_gb, shape, context, parallel, readers, together)
                if found.fits:
                    return found
    return None


def _placed(
    card_gb: float,
    llm: LLMShape,
    context: int,
    parallel: int,
    readers: Sequence[tuple[str, ReaderShape, int]],
    together: bool,
) -> Placement:
    """Place a language model on a card, with all encoders and rerankers or those that fit."""
    found = Placement(card_gb, llm_parts(llm, context, parallel))
    found.settings = {
        "llm.provider": "ollama",
        "llm.model": llm.name,
        "llm.context_window": str(context),
        "OLLAMA_NUM_PARALLEL": str(parallel),
    }
    runs = False  # this program, on the card
    for section, reader, batch in readers:
        part = reader_part(reader, batch, card=True)
        if together or found.used + part.bytes + (0.0 if runs else RUNTIME) <= found.room:
            found.parts += [part] if runs else [part, Part("rag itself", "card", RUNTIME, "CUDA")]
            found.settings[f"{section}.device"], runs = "cuda", True
        else:
            found.parts.append(reader_part(reader, batch, card=False))
            found.settings[f"{section}.device"] = "cpu"
    return found


def vllm_parallel(shape: LLMShape, card_gb: float, max_model_len: int, share: float = VLLM_SHARE) -> float:
    """Return how many answers of full length vLLM holds at once; below 1 it refuses to start.

    It is vLLM's share of the card without the weights, divided by the cache of one answer.

    >>> shape = LLMShape("Qwen/Qwen3-8B", 8.19e9, layers=36, kv_heads=8, head_dim=128, weight_format="bf16")
    >>> round(vllm_parallel(shape, 24, max_model_len=8192), 1)
    5.2
    """
    pool = card_gb * GIB * share - shape.weights - RUNTIME
    return max(0.0, pool / shape.cache(max_model_len))


def in_gb(size: float) -> str:
    """Format bytes as GB.

    >>> in_gb(5.2e9)
    '5.2 GB'
    """
    return f"{size / GB:.1f} GB"
