"""Events of the pipeline: records of a task, and its end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from indexes.encoders.window_pooling import ReadyPoint
from indexes.ingest.report import FileReport, IngestReport
from indexes.manifest.manifest import Entry, Manifest
from indexes.manifest.roots import Roots
from indexes.manifest.sums import Sums
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import IndexSettings
from indexes.store.collection import Collection

if TYPE_CHECKING:
    from llama_index.core.schema import BaseNode

    from indexes.ingest.changed_files import ReadJob

# Part of every document's recipe: increase it when readers or splitter produce different results for the same file.
RECIPE_VERSION = 7

Source: TypeAlias = "str | Path | Iterable[str | Path] | Iterable[BaseNode]"


def recipe_hash(settings: IndexSettings, encoder_digest: str) -> str:
    """Return a hash of everything besides the file that determines its points.

    >>> here = recipe_hash(IndexSettings(), "f3ab")
    >>> here == recipe_hash(IndexSettings(ingest={"file_timeout": 5}), "f3ab")
    True
    >>> here == recipe_hash(IndexSettings(), "9c1e")
    False
    """
    recipe = {
        "version": RECIPE_VERSION,
        "read": settings.read.model_dump(exclude={"password_env"}),
        "split": _without_what_is_off(settings),
        "sparse": [settings.sparse.window, settings.sparse.neighbours, settings.sparse.place],
        "encoder": encoder_digest,
    }
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def _without_what_is_off(settings: IndexSettings) -> dict[str, object]:
    """Return the settings without later parts that are switched off, which therefore do not change the recipe."""
    split = settings.split.model_dump()
    if not split["passage"]:
        del split["passage"], split["passage_reading"]
    else:
        split["lengths"] = "kept"  # of the mean of two vectors, which was brought to length 1 before
    if not split["place"]:
        del split["place"]
    return split


@dataclass(slots=True)
class Writing:
    """A document on its way into the collection; state of the writer."""

    entry: Entry
    staged: list[ReadyPoint] = field(default_factory=list)
    stored: int = 0
    truncated: int = 0
    ids: int = 0  # sum of the point ids, as for ``documents.ids_digest``
    sums: Sums = field(default_factory=Sums)
    spilled: bool = False  # some of its points are in the journal
    legacy: str = ""  # its id in version 0.1.0: the absolute path


@dataclass(slots=True)
class Task:
    """A file (or Document) on its way: all its documents are acknowledged together.

    >>> task = Task(FileReport("a.zip", "updated"), [Entry(f"a.zip!/{name}.md", "a.zip", "", "") for name in "xy"])
    >>> task.documents["a.zip!/x.md"] = Writing(task.known[0], stored=3)
    >>> task.stale
    ['a.zip!/y.md']

    Args:
        known: its documents in the manifest; those that it no longer has are removed.
        documents: its documents by id, filled while it is read.
        faults: unreadable members of an archive with reasons, filled while it is read.
    """

    report: FileReport
    known: list[Entry] = field(default_factory=list)
    documents: dict[str, Writing] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)

    @property
    def stale(self) -> list[str]:
        there = {doc_id for doc_id, writing in self.documents.items() if writing.stored}
        return [entry.doc_id for entry in self.known if entry.doc_id not in there]


@dataclass(frozen=True, slots=True)
class Records:
    """The next records of a task, in order."""

    task: Task
    records: list[SentenceRecord]


@dataclass(frozen=True, slots=True)
class End:
    """A task is complete or, with a ``reason``, given up: then nothing of it is stored and the old points stay."""

    task: Task
    reason: str | None = None


Event = Records | End


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of a run that reading its files elsewhere needs (``indexes.cluster``).

    Args:
        stopped: whether Ctrl-C has asked the run to end.
        notify: called when the report has grown.
    """

    store: Collection
    manifest: Manifest
    settings: IndexSettings
    recipe: str
    encoder_digest: str
    roots: Roots
    report: IngestReport
    stopped: Callable[[], bool]
    notify: Callable[[], None]


Read: TypeAlias = "Callable[[Iterator[ReadJob]], None]"  # reads, encodes and stores these files
Spread: TypeAlias = "Callable[[Desk], AbstractContextManager[Read]]"
