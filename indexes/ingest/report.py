"""Progress of an ingest run, and its report with one entry per file."""

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
    """Progress of a run.

    Args:
        files_total: files found; 0 while they are counted.
        sentences_done: sentences stored so far.
        current: the file being read.
        seconds: seconds since the start.
        stopping: True once after Ctrl-C: the run ends after the current chunk.
        encoded: sentences encoded so far, those of unfinished files included.
        expected: estimated total number of sentences; None if unknown.
        files: reports of the files so far; the list grows during the run.
        read: sentences read so far; the model may not have had them yet.
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
    read: int = 0


@dataclass(slots=True)
class FileReport(Plain):
    """Result for one file (or Document).

    >>> FileReport("b.md", "duplicate", reason="stored under a.md").as_dict()
    {'path': 'b.md', 'status': 'duplicate', 'sentences': 0, 'reason': 'stored under a.md', 'truncated': 0, 'notes': []}

    Args:
        status: "added", "updated", "moved" (renamed, not read), "unchanged", "duplicate" (stored once, under another
            file), "removed" (the file is deleted, and so are its sentences), "skipped".
        reason: why it was skipped, where its duplicate is stored, or its former name.
        truncated: number of sentences longer than the encoder reads.
        notes: notes of its reader: pages without text, a guessed encoding.
    """

    path: str
    status: Status
    sentences: int = 0
    reason: str | None = None
    truncated: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class IngestReport:
    """Result of a run.

    >>> report = IngestReport([FileReport("a.md", "added", 12)])
    >>> report.skip("b.pdf", "it is encrypted")
    >>> report.ignore(".png")
    >>> report.skipped, report.count("added"), report.ignored
    (1, 1, {'.png': 1})

    Args:
        files: one report per file of a readable format.
        ignored: number of files in folders by suffix that are not read (".png": 10).
        encoded: number of texts that the model encoded; other vectors came from the encoding cache.
        truncated: number of sentences longer than the encoder reads.
        passed: sentences encoded or taken from the cache so far, those of unfinished files included.
        stages: stage -> seconds of wall time; stages run concurrently.
        dry_run: whether nothing was done, and this is what would be.
        erased: result of erasing deleted texts from the store's files; None if there were none.
        graph: the collection's graph if this run built it; ``no_graph`` has the reason if it could not.
        no_passages: why sentences were read alone although ``split.passage`` is set.
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
    no_passages: str | None = None

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
            "no_passages": self.no_passages,
        }


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run. Acknowledged documents are kept; ``report`` lists them.

    >>> isinstance(Interrupted(IngestReport()), Exception)
    False
    """

    def __init__(self, report: IngestReport) -> None:
        super().__init__("interrupted")
        self.report = report
