"""What an ingest run says of itself: progress while it runs, and one report a file when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["added", "updated", "unchanged", "skipped"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. ``files_total`` counts what was found; ``current`` is the file being read."""

    files_done: int
    files_total: int
    sentences_done: int
    current: str = ""


@dataclass(slots=True)
class FileReport:
    """What became of one file (or Document). ``reason`` says why it was skipped."""

    path: str
    status: Status
    sentences: int = 0
    reason: str | None = None
    truncated: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class IngestReport:
    """A run's result.

    Args:
        files: one report a file that was to be read.
        ignored: files inside folders that are of a kind we do not read, counted by suffix (".png": 10).
        truncated: sentences longer than the encoder reads.
    """

    files: list[FileReport] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    sentences_added: int = 0
    truncated: int = 0
    seconds: float = 0.0

    def count(self, status: Status) -> int:
        return sum(report.status == status for report in self.files)

    @property
    def skipped(self) -> int:
        return self.count("skipped")

    def as_dict(self) -> dict[str, Any]:
        return {
            "files": [report.as_dict() for report in self.files],
            "added": self.count("added"),
            "updated": self.count("updated"),
            "unchanged": self.count("unchanged"),
            "skipped": self.skipped,
            "ignored": dict(self.ignored),
            "sentences_added": self.sentences_added,
            "truncated": self.truncated,
            "seconds": round(self.seconds, 3),
        }
