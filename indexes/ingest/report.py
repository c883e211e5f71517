"""What an ingest run says of itself: progress while it runs, and one report a file when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from indexes.manifest.erasing import Erasure
from indexes.plain import Plain
from indexes.store.models.graph import Graph

Status = Literal["added", "updated", "moved", "unchanged", "duplicate", "removed", "skipped"]
STATUSES: tuple[Status, ...] = ("added", "updated", "moved", "unchanged", "duplicate", "removed", "skipped")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Args:
        files_total: files that were found; 0 while they are being counted.
        sentences_done: stored so far.
        current: the file being read.
        seconds: since the run began.
        stopping: True once, when Ctrl-C was pressed: the run ends after the chunk it is at.
        encoded: sentences that went through the model so far, those of unfinished files included.
        expected: sentences that there will be in all, by the files read so far and the bytes of the others; None while
            nothing is known.
        files: what became of the files so far; it grows while the run goes on.
    """

    files_done: int
    files_total: int
    sentences_done: int
    current: str = ""
    seconds: float = 0.0
    stopping: bool = False
    encoded: int = 0
    expected: int | None = None
    files: Sequence[FileReport] = ()


@dataclass(slots=True)
class FileReport(Plain):
    """What became of one file (or Document).

    Args:
        status: "added", "updated", "moved" (renamed: nothing was read), "unchanged", "duplicate" (stored once, under
            another file's name), "removed" (the file is gone, and so are its sentences), "skipped".
        reason: why it was skipped, where its duplicate is stored, or what it was called before.
        truncated: sentences longer than the encoder reads.
        notes: what its reader had to say: pages without text, a guessed encoding.
    """

    path: str
    status: Status
    sentences: int = 0
    reason: str | None = None
    truncated: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class IngestReport:
    """A run's result.

    Args:
        files: one report a file that was to be read.
        ignored: files inside folders that are of a kind we do not read, counted by suffix (".png": 10).
        encoded: texts that the model encoded; the other sentences' vectors came from the encoding cache.
        truncated: sentences longer than the encoder reads.
        passed: sentences that went through the model or its cache so far, those of unfinished files included.
        stages: stage -> seconds of wall time spent in it; stages run side by side.
        dry_run: nothing was done, this is what would be.
        erased: what became of texts that were deleted, in the files of the store; None where there were none.
        graph: the collection's graph, where this run built it; ``no_graph`` says why it could not be.
    """

    files: list[FileReport] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    sentences_added: int = 0
    encoded: int = 0
    truncated: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    passed: int = 0
    dry_run: bool = False
    erased: Erasure | None = None
    graph: Graph | None = None
    no_graph: str | None = None

    def count(self, status: Status) -> int:
        return sum(report.status == status for report in self.files)

    @property
    def skipped(self) -> int:
        return self.count("skipped")

    def ignore(self, kind: str) -> None:
        self.ignored[kind] = self.ignored.get(kind, 0) + 1

    def skip(self, path: str, reason: str) -> None:
        self.files.append(FileReport(path, "skipped", reason=reason))

    def as_dict(self) -> dict[str, Any]:
        return {
            "files": [report.as_dict() for report in self.files],
            **{status: self.count(status) for status in STATUSES},
            "ignored": dict(self.ignored),
            "sentences_added": self.sentences_added,
            "encoded": self.encoded,
            "truncated": self.truncated,
            "seconds": round(self.seconds, 3),
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
            "dry_run": self.dry_run,
            "not_erased": self.erased.waiting if self.erased else [],
            "graph": self.graph.as_dict() if self.graph else None,
            "no_graph": self.no_graph,
        }


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run: what was acknowledged is kept, and told in ``report``."""

    def __init__(self, report: IngestReport) -> None:
        super().__init__("interrupted")
        self.report = report
