"""Compare a collection with its manifest, point by point, and repair differences."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Literal, NamedTuple

from indexes.manifest.documents import ids_digest
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import READ_AGAIN, REBUILT, Entry, Manifest
from indexes.manifest.moves import stored_points
from indexes.manifest.recovery import recover
from indexes.manifest.sums import Sums
from indexes.nodes.record import point_id
from indexes.plain import Plain
from indexes.store.collection import Collection, document_filter

PAGE = 2000  # points per call
SHOWN = 20  # ids reported per difference

Problem = Literal["missing", "extra", "other", "unknown", "unfinished", "texts", "vectors"]


@dataclass(slots=True)
class DocumentDifference(Plain):
    """A document that differs.

    >>> DocumentDifference("docs/a.md", "missing", expected=12, found=11).as_dict()
    {'doc_id': 'docs/a.md', 'problem': 'missing', 'expected': 12, 'found': 11, 'ids': []}

    Args:
        problem: "missing" (points are not in the collection), "extra" (points that it should not have), "other"
            (the right number of points, but different ones), "unknown" (not in the manifest), "unfinished" (a run was
            killed while writing it), "texts" or "vectors" (``deep``: not those that were stored).
        expected, found: number of points; ``expected`` is None for an unknown document.
        ids: some of the points concerned, if known.
    """

    doc_id: str
    problem: Problem
    expected: int | None
    found: int
    ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Verification:
    """Result of a verification: what was compared, what differs, and what was repaired (``repair``).

    >>> difference = DocumentDifference("docs/a.md", "missing", expected=12, found=11)
    >>> Verification(differences=[difference]).sound, Verification(differences=[difference], repaired=1).sound
    (False, True)

    Args:
        read_again: documents whose files must be read again.
        unchecked: (``deep``) documents without checksums, stored by an earlier version.
        adopted: documents added to a manifest that was lost.
    """

    documents: int = 0
    points: int = 0
    differences: list[DocumentDifference] = field(default_factory=list)
    repaired: int = 0
    read_again: list[str] = field(default_factory=list)
    unchecked: int = 0
    adopted: int = 0

    @property
    def sound(self) -> bool:
        """Whether no difference remains."""
        return len(self.differences) == self.repaired

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"sound": self.sound}


class _Seen(NamedTuple):
    """A document in the collection: its points, the sum of their ids, misplaced ids."""

    size: int
    total: int
    odd: tuple[str, ...]
    sums: Sums | None = None


def verify(store: Collection, manifest: Manifest, *, repair: bool = False, deep: bool = False) -> Verification:
    """Compare a collection with its manifest.

    Args:
        repair: remove surplus and incomplete documents from both, so that the next run reads them again (unchanged
            sentences come from the encoding cache).
        deep: also compare texts and vectors with their checksums, which reads all vectors.

    Raises:
        CollectionLockedError: ``repair`` while another process is writing.
    """
    if not repair:
        return _compare(store, manifest, deep)
    with manifest.writer():
        journal = Journal(manifest.path)
        unfinished = _unfinished(store, manifest)
        recover(store, manifest, journal)
        journal.close()
        lost = manifest.fact(REBUILT) is not None or next(iter(manifest), None) is None
        adopted = adopt(store, manifest) if lost else 0
        result = _compare(store, manifest, deep)
        result.adopted = adopted
        for difference in result.differences:
            _mend(store, manifest, difference, result)
        store.flush()
        manifest.forget_fact(REBUILT)
        result.differences[:0] = unfinished
        result.repaired += len(unfinished)
    return result


def _unfinished(store: Collection, manifest: Manifest) -> list[DocumentDifference]:
    return [DocumentDifference(doc_id, "unfinished", None, store.count(doc_id)) for doc_id in manifest.unfinished()]


def adopt(store: Collection, manifest: Manifest) -> int:
    """Add the documents of a collection to a manifest that was lost, and return their number.

    The next run that finds their files reads them again."""
    known = {entry.doc_id for entry in manifest} | set(manifest.unfinished())
    found = [info for info in store.documents() if info.doc_id not in known and info.doc_id]
    for info in found:
        ids = [
            identity for page in store.pages(PAGE, document_filter(info.doc_id), payload=False) for identity, _ in page
        ]
        manifest.begin(Entry(info.doc_id, info.doc_id, "", READ_AGAIN))
        manifest.finish(info.doc_id, sentences=len(ids), truncated=0, points=ids_digest(ids))
    return len(found)


def _compare(store: Collection, manifest: Manifest, deep: bool) -> Verification:
    seen = _collected(store, deep)
    coarse = deep and store.is_coarse()
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
            if there.sums is None or not deep:
                continue
            result.unchecked += not entry.sums
            differs = there.sums.differs(entry.sums, coarse=coarse) if entry.sums else ""
            if differs:
                found: Problem = "texts" if differs == "texts" else "vectors"
                result.differences.append(DocumentDifference(entry.doc_id, found, entry.sentences, there.size))
            continue
        problem: Problem = (
            "missing" if there.size < entry.sentences else "extra" if there.size > entry.sentences else "other"
        )
        ids = list(there.odd[:SHOWN])
        if not ids and problem == "missing" and _runs_through(entry.doc_id, entry.sentences, entry.points):
            ids = _missing(store, entry.doc_id, entry.sentences)
        result.differences.append(DocumentDifference(entry.doc_id, problem, entry.sentences, there.size, ids))
    for doc_id, there in sorted(seen.items()):
        result.differences.append(DocumentDifference(doc_id, "unknown", None, there.size, list(there.odd[:SHOWN])))
    return result


def _collected(store: Collection, deep: bool) -> dict[str, _Seen]:
    """Return the points of the collection by document."""
    found: dict[str, _Seen] = {}
    sums: dict[str, Sums] = {}
    if deep:
        for point in chain.from_iterable(stored_points(store)):
            if point.record.doc_id:
                sums.setdefault(point.record.doc_id, Sums()).add(point)
    for identity, payload in chain.from_iterable(store.pages(PAGE, payload=["doc_id", "position"])):
        doc_id, position = str(payload.get("doc_id", "")), payload.get("position", -1)
        before = found.get(doc_id, _Seen(0, 0, ()))
        odd = before.odd
        if identity != point_id(doc_id, position) and len(odd) < SHOWN:
            odd = (*odd, identity)
        number = uuid.UUID(identity).int if "-" in identity else int(identity)
        found[doc_id] = _Seen(before.size + 1, before.total + number, odd, sums.get(doc_id))
    return found


def _runs_through(doc_id: str, sentences: int, digest: str) -> bool:
    """Return whether the positions are 0, 1, 2 ..., as for files."""
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


def _mend(store: Collection, manifest: Manifest, difference: DocumentDifference, result: Verification) -> None:
    doc_id = difference.doc_id
    manifest.begin([], removing=[doc_id])
    if doc_id:
        store.delete_document(doc_id)
    else:  # points without a document: not ours, and unknown
        store.delete_points(difference.ids)
    manifest.forget(doc_id)
    if difference.expected is not None:
        result.read_again.append(doc_id)
    result.repaired += 1
