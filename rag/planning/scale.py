"""What a collection of any size takes: disk, memory by number format, machines, hours of encoding, cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from indexes.plain import Plain
from rag.planning.sizes import GB, ReaderShape

FORMATS = {"float32": 4, "float16": 2, "int8": 1}  # bytes a value of the dense vector
TERM = 8  # bytes of a term's index and weight; stored once with the sentence and once in the index
PAYLOAD = 500  # bytes: a sentence of 110 characters, its place and its metadata
TRACKED = 60  # bytes: ids both ways, versions, the document's index
LINKS = 16 * 2 * 4 * 1.1  # bytes of HNSW's links at m = 16: 2 m on the ground floor, a tenth above
TOKENS = 30  # of a sentence
SHARE = 0.7  # of a machine's memory for the store: the rest is for segments being merged, and for queries
SHARDS_A_NODE = 2
USED = 0.35  # of a card's arithmetic that an encoder reaches over sentences sorted by length
CARDS = {  # 10^12 operations a second in 2 bytes, from the makers' sheets
    "T4": 65,
    "L4": 121,
    "A10": 125,
    "RTX 4090": 165,
    "A100": 312,
    "H100": 989,
}


@dataclass(frozen=True, slots=True)
class Format(Plain):
    """One number format of the dense vectors, in bytes of the whole collection, once.

    Args:
        dense: the vectors.
        memory: what answers quickly must hold in memory: vectors, links and the sparse index; with int8 the vectors of
            full length lie on the disk.
        disk: everything.
        nodes: machines, all copies together.
    """

    name: str
    dense: float
    memory: float
    disk: float
    nodes: int


@dataclass(frozen=True, slots=True)
class Hours(Plain):
    """Encoding everything once, by one kind of card."""

    card: str
    hours: float
    cost: float | None


@dataclass(slots=True)
class ScalePlan(Plain):
    """A collection on paper."""

    sentences: int
    encoder: str
    dim: int
    replicas: int
    node_gb: float
    cards: int
    formats: list[Format]
    hours: list[Hours]
    monthly: float | None

    @property
    def nodes(self) -> int:
        """Machines with vectors of 8 bits, which are the fewest."""
        return self.formats[-1].nodes

    @property
    def shards(self) -> int:
        return SHARDS_A_NODE * max(1, self.nodes // self.replicas)

    def as_dict(self) -> dict[str, object]:
        return {**Plain.as_dict(self), "nodes": self.nodes, "shards": self.shards}


def plan(
    sentences: float,
    encoder: ReaderShape,
    *,
    replicas: int = 2,
    node_gb: float = 64,
    cards: int = 1,
    tokens: float = TOKENS,
    card_price: float | None = None,
    node_price: float | None = None,
) -> ScalePlan:
    """Return what a collection takes.

    Args:
        node_gb: memory of a machine of the store.
        cards: that encode side by side.
        card_price: of a card and hour.
        node_price: of a machine and month.
    """
    count = int(sentences)
    formats = []
    for name, size in FORMATS.items():
        dense = count * encoder.dim * float(size)
        index = count * (LINKS + encoder.terms * TERM)
        memory = dense + index
        kept = count * encoder.dim * 4.0 if name == "int8" else 0.0  # asked again for the best, from the disk
        disk = dense + kept + index + count * (encoder.terms * TERM + PAYLOAD + TRACKED)
        nodes = max(replicas, math.ceil(memory * replicas / (node_gb * GB * SHARE)))
        formats.append(Format(name, dense, memory, disk, nodes))
    work = count * tokens * 2 * encoder.parameters
    hours = []
    for card, speed in CARDS.items():
        taken = work / (speed * 1e12 * USED * cards) / 3600
        hours.append(Hours(card, taken, None if card_price is None else taken * cards * card_price))
    monthly = None if node_price is None else formats[-1].nodes * node_price
    return ScalePlan(count, encoder.name, encoder.dim, replicas, node_gb, cards, formats, hours, monthly)
