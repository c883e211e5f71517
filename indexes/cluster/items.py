"""What travels between the process that plans a run and its workers: files out, receipts back.

A worker gets names and hashes, never the content of a file: it reads the same path itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from indexes.ingest.report import IngestReport
from indexes.ingest.walk_files import FoundFile
from indexes.manifest.manifest import Copy, Entry
from indexes.manifest.roots import Root

FILES = 32  # in one bundle: so many small ones share the batches of the model
BYTES = 256 << 10  # and no more than this, unless one file alone is larger: a worker that dies costs a bundle


@dataclass(frozen=True, slots=True)
class Item:
    """One file to be read, encoded and stored.

    Args:
        doc_id: of the file; members of an archive have it before their own names.
        content: hash of its bytes.
        known: documents that the collection has of it.
        roots: those that the file and its ``copies`` lie in, of which their ids are made.
        copies: files with the same content, which are stored under this one.
    """

    found: FoundFile
    doc_id: str
    content: str
    known: tuple[Entry, ...] = ()
    roots: tuple[Root, ...] = ()
    copies: tuple[Copy, ...] = ()


Bundle: TypeAlias = tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What is the same for all bundles of a run.

    Args:
        run: the run's mark in the collection's record: workers of an earlier run stop writing when it changes.
        settings: ``IndexSettings`` as JSON; keys are named there by their environment variables and not held.
        digest: of the fingerprint of the model that fills the collection.
    """

    run: str
    collection: str
    digest: str
    recipe: str
    settings: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a worker has done with a bundle. All points of ``entries`` are in the collection; nothing was deleted there.

    Args:
        entries: the documents that are stored now.
        report: what became of each file.
        surplus: ids of points stored under these documents that are not theirs any more.
        stale: documents that are no more.
        faults: archive -> (member, why it could not be read).
        encoded: texts that went through the model.
    """

    entries: tuple[Entry, ...]
    report: IngestReport
    surplus: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    faults: dict[str, list[tuple[str, str]]] | None = None
    encoded: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """A bundle that ended every worker it was given to.

    Args:
        why: a phrase for the message, such as "it ended 4 workers".
    """

    why: str


Done: TypeAlias = tuple[Bundle, Receipt | Lost | Exception]


def bundles(items: Iterable[Item]) -> Iterator[Bundle]:
    """Yield items in the same order, some of them together."""
    held: list[Item] = []
    size = 0
    for item in items:
        if held and (len(held) >= FILES or size + item.found.size > BYTES):
            yield tuple(held)
            held, size = [], 0
        held.append(item)
        size += item.found.size
    if held:
        yield tuple(held)
