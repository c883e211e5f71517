"""Does the collection hold what the manifest says, point by point? And mending what differs."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Literal, NamedTuple

from indexes.errors import StoreError
from indexes.manifest.documents import ids_digest
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import Manifest
from indexes.manifest.recovery import recover
from indexes.nodes.record import point_id
from indexes.store.collection import Collection

PAGE = 2000  # points in one call
SHOWN = 20  # ids in one difference

Problem = Literal["missing", "extra", "other", "unknown", "unfinished"]


@dataclass(slots=True)
class Difference:
    """One document that differs.

    Args:
        problem: "missing" (points of it are not in the collection), "extra" (points that it should not have), "other"
            (as many points, but others), "unknown" (the manifest does not know it), "unfinished" (a run that was
            killed was at it).
        expected, found: number of points. ``expected`` is None for an unknown document.
        ids: some of the points it is about, where they can be told.
    """

    doc_id: str
    problem: Problem
    expected: int | None
    found: int
    ids: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Verification:
    """What was compared, what differs, and what was mended (``repair``)."""

    documents: int = 0
    points: int = 0
    differences: list[Difference] = field(default_factory=list)
    repaired: int = 0
    read_again: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Nothing differs any more."""
        return len(self.differences) == self.repaired

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"sound": self.sound}


class _Seen(NamedTuple):
    """A document as the collection has it: its points, the sum of their ids, ids out of place."""

    size: int
    total: int
    odd: tuple[str, ...]


def verify(store: Collection, manifest: Manifest, *, repair: bool = False) -> Verification:
    """Compare; with ``repair`` remove what is too much or incomplete, and forget it, so that the next ingest reads it
    again (from the encoding cache, where the sentences are the same).

    Raises:
        StoreError: ``repair`` with a manifest that is empty beside a collection that is not.
        CollectionLockedError: ``repair`` while another process is writing.
    """
    if not repair:
        return _compare(store, manifest)
    with manifest.writer():
        journal = Journal(manifest.path)
        unfinished = _unfinished(store, manifest)
        recover(store, manifest, journal)
        journal.close()
        result = _compare(store, manifest)
        if result.points and not result.documents:
            raise StoreError(
                f"the manifest of collection {store.name!r} remembers no document, and the collection holds "
                f"{result.points} points",
                remedy="run 'rag ingest PATH' to take its files up again, or 'rag delete --all' to start anew",
            )
        for difference in result.differences:
            _mend(store, manifest, difference, result)
        store.flush()
        result.differences[:0] = unfinished
        result.repaired += len(unfinished)
    return result


def _unfinished(store: Collection, manifest: Manifest) -> list[Difference]:
    return [Difference(doc_id, "unfinished", None, store.count(doc_id)) for doc_id in manifest.unfinished()]


def _compare(store: Collection, manifest: Manifest) -> Verification:
    seen = _collected(store)
    result = Verification(points=sum(document.size for document in seen.values()))
    unfinished = _unfinished(store, manifest)
    result.differences += unfinished
    for difference in unfinished:
        seen.pop(difference.doc_id, None)
    for entry in manifest:
        result.documents += 1
        there = seen.pop(entry.doc_id, _Seen(0, 0, ()))
        digest = f"{there.total % (1 << 128):032x}"
        if there.size == entry.sentences and (not entry.points or digest == entry.points) and not there.odd:
            continue
        problem: Problem = (
            "missing" if there.size < entry.sentences else "extra" if there.size > entry.sentences else "other"
        )
        ids = list(there.odd[:SHOWN])
        if not ids and problem == "missing" and _runs_through(entry.doc_id, entry.sentences, entry.points):
            ids = _missing(store, entry.doc_id, entry.sentences)
        result.differences.append(Difference(entry.doc_id, problem, entry.sentences, there.size, ids))
    for doc_id, there in sorted(seen.items()):
        result.differences.append(Difference(doc_id, "unknown", None, there.size, list(there.odd[:SHOWN])))
    return result


def _collected(store: Collection) -> dict[str, _Seen]:
    """Every point of the collection, by document."""
    found: dict[str, _Seen] = {}
    for identity, payload in chain.from_iterable(store.pages(PAGE, payload=["doc_id", "position"])):
        doc_id, position = str(payload.get("doc_id", "")), payload.get("position", -1)
        before = found.get(doc_id, _Seen(0, 0, ()))
        odd = before.odd
        if identity != point_id(doc_id, position) and len(odd) < SHOWN:
            odd = (*odd, identity)
        number = uuid.UUID(identity).int if "-" in identity else int(identity)
        found[doc_id] = _Seen(before.size + 1, before.total + number, odd)
    return found


def _runs_through(doc_id: str, sentences: int, digest: str) -> bool:
    """True where the positions are 0, 1, 2 ..., as they are for files."""
    return ids_digest(point_id(doc_id, position) for position in range(sentences)) == digest


def _missing(store: Collection, doc_id: str, sentences: int) -> list[str]:
    missing: list[str] = []
    for start in range(0, sentences, PAGE):
        wanted = [point_id(doc_id, position) for position in range(start, min(start + PAGE, sentences))]
        there = store.payloads(wanted)
        missing += [identity for identity in wanted if identity not in there]
        if len(missing) >= SHOWN:
            break
    return missing[:SHOWN]


def _mend(store: Collection, manifest: Manifest, difference: Difference, result: Verification) -> None:
    doc_id = difference.doc_id
    manifest.begin([], removing=[doc_id])
    if doc_id:
        store.delete_document(doc_id)
    else:  # points without a document: not ours, and nothing can be told of them
        store.delete_points(difference.ids)
    manifest.forget(doc_id)
    if difference.expected is not None:
        result.read_again.append(doc_id)
    result.repaired += 1
