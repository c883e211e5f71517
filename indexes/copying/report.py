"""What a copying says of itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class CopyReport:
    """One copying.

    Args:
        source, target: where the collection lies, as a folder or an address.
        documents, sentences: of the collection.
        copied: documents that this run wrote, with ``sentences_copied`` sentences; the others were there as they are.
        removed: documents that the copy had and the collection has no more.
        resumed: an earlier run had begun, and this one went on.
        differences: what ``verify`` found between the copy and its manifest; 0 is sound.
        notes: what else is to be said.
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
