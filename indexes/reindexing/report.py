"""What a reindex says of itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class ReindexReport:
    """A run's result.

    Args:
        collection: the name.
        old, new: the collections behind it, before and now; ``new`` is None where there was nothing to do.
        old_model, new_model: names of the models.
        needed: False where the model of the settings filled the collection already.
        resumed: an earlier run had begun, and this one went on.
        documents, sentences: in the collection; ``documents_done`` of them stood in the new generation already.
        encoded: texts that the model encoded; the other sentences' vectors came from the encoding cache.
        truncated: sentences longer than the new model reads; the next ingest of their files splits them.
        removed: collections that were deleted.
        kept: those that are still there beside the one in use.
        notes: what could not be removed, and why.
    """

    collection: str
    old: str
    old_model: str
    new_model: str
    new: str | None = None
    needed: bool = True
    resumed: bool = False
    documents: int = 0
    documents_done: int = 0
    sentences: int = 0
    encoded: int = 0
    truncated: int = 0
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    dry_run: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": round(self.seconds, 3)}


def model_of(record: dict[str, Any]) -> str:
    """The name of the model that filled a collection, from its record."""
    return str((record.get("fingerprint") or {}).get("model") or "not recorded")
