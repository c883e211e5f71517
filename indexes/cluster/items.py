"""Messages between the driver of a run and its workers: files out, receipts back.

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

FILES = 32  # files per bundle, so that small files share batches of the model
BYTES = 256 << 10  # bytes per bundle, unless one file is larger: a dying worker costs a bundle


@dataclass(frozen=True, slots=True)
class Item:
    """A file to read, encode and store.

    Args:
        doc_id: id of the file, which precedes the names of an archive's members.
        content: hash of its bytes.
        known: its documents in the collection.
        roots: roots of the file and its ``copies``, of which their ids are made.
        copies: files with the same content, stored under this one.
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
    """The part that is the same for all bundles of a run.

    Args:
        run: mark of the run in the collection's record; workers of an earlier run stop writing when it changes.
        settings: ``IndexSettings`` as JSON; it names the environment variables of keys, not the keys.
        digest: digest of the fingerprint of the collection's model.
    """

    run: str
    collection: str
    digest: str
    recipe: str
    settings: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A worker's result for a bundle. All points of ``entries`` are in the collection; nothing was deleted there.

    Args:
        entries: documents that are stored now.
        report: result for each file.
        surplus: ids of stale points of these documents.
        stale: documents that no longer exist.
        faults: archive -> (member, reason why it cannot be read).
        encoded: number of texts that the model encoded.
    """

    entries: tuple[Entry, ...]
    report: IngestReport
    surplus: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    faults: dict[str, list[tuple[str, str]]] | None = None
    encoded: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """A bundle that ended all workers that tried it.

    Args:
        why: phrase for the message, such as "it ended 4 workers".
    """

    why: str


Done: TypeAlias = tuple[Bundle, Receipt | Lost | Exception]


def bundles(items: Iterable[Item]) -> Iterator[Bundle]:
    """Group items into bundles, in order.

    >>> found = [FoundFile(f"/docs/{number}.md", f"/docs/{number}.md", 100, 1) for number in range(40)]
    >>> [len(bundle) for bundle in bundles(Item(one, one.source, "") for one in found)]
    [32, 8]
    """
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
