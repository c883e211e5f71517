"""The report of a reindex."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class ReindexReport:
    """Result of a reindex.

    >>> report = ReindexReport("guide", "guide", "BAAI/bge-m3", "BAAI/bge-m3", needed=False, seconds=0.12345)
    >>> report.new, report.as_dict()["seconds"]
    (None, 0.123)

    Args:
        collection: the name.
        old, new: the collections behind the name before and now; ``new`` is None if there was nothing to do.
        old_model, new_model: names of the models.
        needed: False if the collection was already built with the model of the settings.
        resumed: whether this run continued an earlier one.
        documents, sentences: numbers in the collection; ``documents_done`` were in the new generation before.
        encoded: texts that the model encoded; other vectors came from the encoding cache.
        truncated: sentences longer than the new model reads; the next ingest of their files splits them.
        removed: deleted collections.
        kept: collections that remain beside the one in use.
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
    """Return the name of the model that filled a collection, from its record.

    >>> model_of({"fingerprint": {"model": "BAAI/bge-m3"}})
    'BAAI/bge-m3'
    """
    return str((record.get("fingerprint") or {}).get("model") or "not recorded")
