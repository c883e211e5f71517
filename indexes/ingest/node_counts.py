"""Statistics of a collection's nodes: counted after a run, kept in the collection's record, read by the doctor.

Ids are hashes of document and position, so the first nodes by id are a random sample: counting costs the same for any
size of the collection, and needs no updates when documents change.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from indexes.display import counted
from indexes.store.collection import Collection
from indexes.text.characters import columns, holds_han
from indexes.text.units import says_nothing

KEY = "nodes"  # in the collection's record
SAMPLE = 2000
SHORT = 20  # characters; a Chinese sentence says the same in about half as many, so its characters count as two
MARKS_SHARE, SHORT_SHARE, NUMBERS_SHARE = 0.01, 0.5, 0.3  # above these shares there is probably a fault


@dataclass(frozen=True, slots=True)
class NodeCounts:
    """Statistics of nodes.

    >>> print(NodeCounts(nodes=1200, sample=200, marks=0, short=4, numbers=10, chinese=200))
    1,200 nodes: 0.0 % without a letter or digit, 2.0 % under 20 characters (10 Chinese), 5.0 % mostly numbers

    Args:
        nodes: nodes of the collection.
        sample: nodes examined, to which the other numbers refer.
        marks: nodes without a letter or digit.
        short: nodes under 20 characters, of which a Chinese one counts as two: it says about as much.
        numbers: nodes of which at least half of the letters and digits are digits.
        chinese: nodes with a Chinese character; None if counted by an earlier version.
    """

    nodes: int
    sample: int
    marks: int
    short: int
    numbers: int
    chinese: int | None = None

    def as_dict(self) -> dict[str, int | None]:
        return asdict(self)

    def __str__(self) -> str:
        def share(count: int) -> str:
            return f"{100 * count / max(self.sample, 1):.1f} %"

        return (
            f"{counted(self.nodes, 'node')}: {share(self.marks)} without a letter "
            f"or digit, {share(self.short)} under {SHORT} "
            f"characters ({SHORT // 2} Chinese), {share(self.numbers)} mostly numbers"
        )

    def faults(self) -> list[str]:
        """Return probable faults with their remedies."""
        found = []
        if self.marks > MARKS_SHARE * self.sample:
            found.append("nodes without a letter or digit take the places of sentences: run 'rag ingest' again")
        if self.numbers > NUMBERS_SHARE * self.sample:
            found.append("many nodes are numbers: ingest the tables as csv, xlsx or HTML, which name their columns")
        elif self.short > SHORT_SHARE * self.sample:
            found.append("most nodes are fragments: try split.contextual = 'title', or split.mode = 'fixed'")
        return found


def count_nodes(store: Collection) -> NodeCounts:
    """Count a sample of the collection's nodes.

    >>> from types import SimpleNamespace
    >>> texts = ["It rains, so we stay in.", "——", "1 200 340"]
    >>> store = SimpleNamespace(pages=lambda size, payload: iter([[("id", {"text": text}) for text in texts]]))
    >>> count_nodes(store)
    NodeCounts(nodes=3, sample=3, marks=1, short=2, numbers=1, chinese=0)
    """
    texts = [str(payload.get("text") or "") for _, payload in next(store.pages(SAMPLE, payload=["text"]))]
    total = store.count() if len(texts) == SAMPLE else len(texts)
    return NodeCounts(
        nodes=total,
        sample=len(texts),
        marks=sum(map(says_nothing, texts)),
        short=sum(columns(text) < SHORT for text in texts),
        numbers=sum(map(_mostly_digits, texts)),
        chinese=sum(map(holds_han, texts)),
    )


def recorded_counts(record: dict[str, Any]) -> NodeCounts | None:
    """Return the statistics in a collection's record; None if there are none.

    >>> recorded_counts({}) is None
    True
    """
    found = record.get(KEY)
    return NodeCounts(**found) if isinstance(found, dict) else None


def _mostly_digits(text: str) -> bool:
    return 2 * sum(map(str.isdigit, text)) >= sum(map(str.isalnum, text)) > 0
