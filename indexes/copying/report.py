"""The report of a copy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class CopyReport:
    """Result of a copy.

    >>> CopyReport("guide", "store", "http://127.0.0.1:6333", seconds=1.23456).as_dict()["seconds"]
    1.235

    Args:
        source, target: the two stores, as folder or address.
        documents, sentences: numbers in the collection.
        copied: documents that this run wrote, with ``sentences_copied`` sentences; the others were unchanged.
        removed: documents removed from the copy, as the collection no longer has them.
        resumed: whether this run continued an earlier one.
        differences: differences found by ``verify`` between the copy and its manifest; 0 is sound.
        notes: further remarks.
    """

    collection: str
    source: str
    target: str
    documents: int = 0
    sentences: int = 0
    copied: int = 0
    sentences_copied: int = 0
    removed: int = 0
    resumed: bool = False
    differences: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": round(self.seconds, 3)}
