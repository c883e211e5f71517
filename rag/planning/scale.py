"""What a collection of any size needs: disk, memory by number format, machines, hours of encoding, cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from indexes.plain import Plain
from indexes.store.models.graph import wanted_for
from rag.planning.sizes import GB, ReaderShape

FORMATS = {"float32": 4, "float16": 2, "int8": 1}  # bytes per value of the dense vector
TERM = 8  # bytes of a term's index and weight; stored once with the sentence and once in the index
PAYLOAD = 500  # bytes of a sentence of 110 characters, its place and its metadata
TRACKED = 60  # bytes of ids both ways, versions, the document's index
LINK = 2 * 4 * 1.1  # bytes of HNSW's links for each of m: 2 m on the lowest layer, a tenth above
TOKENS = 30  # per sentence
SHARE = 0.7  # of a machine's memory for the store; the rest is for merging segments and for queries
SHARDS_A_NODE = 2
USED = 0.35  # share of a card's arithmetic that an encoder reaches with sentences sorted by length
CARDS = {  # 10^12 operations per second in 2 bytes, from the makers' data sheets
    "T4": 65,
    "L4": 121,
    "A10": 125,
    "RTX 4090": 165,
    "A100": 312,
    "H100": 989,
}


@dataclass(frozen=True, slots=True)
class Format(Plain):
    """A number format of the dense vectors, with bytes of one copy of the whole collection.

    >>> int8 = plan(1e6, ReaderShape("BAAI/bge-m3", 568e6, width=1024, dim=1024)).formats[-1]
    >>> int8.name, round(int8.memory / 1e9, 1), int8.nodes
    ('int8', 1.8, 2)

    Args:
        name: "float32", "float16" or "int8".
        dense: bytes of the vectors.
        memory: bytes that fast search keeps in memory: vectors, links and the sparse index (with int8 the full
            vectors are on the disk).
        disk: bytes on the disk.
        nodes: number of machines for all copies.
    """

    name: str
    dense: float
    memory: float
    disk: float
    nodes: int


@dataclass(frozen=True, slots=True)
class Hours(Plain):
    """Hours and cost of encoding everything once with one kind of card.

    >>> hours = plan(1e6, ReaderShape("BAAI/bge-m3", 568e6, width=1024, dim=1024), card_price=2.0).hours
    >>> [(one.card, round(one.hours, 2), round(one.cost, 2)) for one in hours[:2]]
    [('T4', 0.42, 0.83), ('L4', 0.22, 0.45)]
    """

    card: str
    hours: float
    cost: float | None


@dataclass(slots=True)
class ScalePlan(Plain):
    """What a collection needs; made by ``plan``.

    >>> needs = plan(100e6, ReaderShape("BAAI/bge-m3", 568e6, width=1024, dim=1024), replicas=2)
    >>> needs.nodes, needs.shards
    (8, 8)
    """

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
        """Number of machines with 8-bit vectors, the smallest number."""
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
    """Estimate what a collection needs.

    >>> needs = plan(100e6, ReaderShape("BAAI/bge-m3", 568e6, width=1024, dim=1024))
    >>> [(one.name, round(one.memory / 1e9), one.nodes) for one in needs.formats]
    [('float32', 486, 22), ('float16', 281, 13), ('int8', 179, 8)]

    Args:
        sentences: number of sentences.
        replicas: number of copies in the store.
        node_gb: memory of one machine of the store, in GB.
        cards: number of cards that encode in parallel.
        tokens: tokens per sentence.
        card_price: price of a card per hour; None: no cost is given.
        node_price: price of a machine per month; None: no cost is given.
    """
    count = int(sentences)
    formats = []
    for name, size in FORMATS.items():
        dense = count * encoder.dim * float(size)
        index = count * (LINK * wanted_for(count).m + encoder.terms * TERM)
        memory = dense + index
        kept = count * encoder.dim * 4.0 if name == "int8" else 0.0  # the best are scored again from the disk
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
