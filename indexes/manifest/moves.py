"""Moved files and identical files: names change, the text stays, and nothing is encoded again."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from indexes.encoders.base import SparseVector
from indexes.encoders.window_pooling import ReadyPoint
from indexes.manifest.documents import remove_documents, replace_document
from indexes.manifest.journal import PART_POINTS, Journal
from indexes.manifest.manifest import Copy, Entry, Manifest
from indexes.manifest.roots import RootedPath, Roots
from indexes.nodes.record import SentenceRecord
from indexes.readers.names import renamed
from indexes.store import models
from indexes.store.collection import Collection, document_filter
from indexes.store.schema import DENSE, SPARSE

PLACES_DUE = "places due"  # fact of a manifest


def remove_place(store: Collection, manifest: Manifest, doc_id: str) -> int:
    """Remove a document, or one place of a text shared by several files; the text stays until the last one.

    Returns:
        The number of sentences removed.
    """
    roots = Roots(manifest.roots())
    copies = manifest.copies()
    entry = manifest.get(doc_id)
    copy = next((copy for copy in copies if roots.place(copy.path).doc_id == doc_id), None)
    heir = next((copy for copy in copies if entry is not None and copy.source == entry.source), None)
    if copy is not None and entry is None:
        _note_places_due(manifest, [one.doc_id for one in manifest if one.source == copy.source])
        manifest.forget_copies([copy.path])
        _set_places(store, manifest, roots, copy.source)
        manifest.forget_fact(PLACES_DUE)
        return 0
    if entry is None or heir is None or member_of(entry):
        return remove_documents(store, manifest, [doc_id])
    journal = Journal(manifest.path)
    move = Move((entry,), heir.path, heir.size, heir.mtime_ns, roots.place(heir.path))
    _note_places_due(manifest, [move.now.doc_id])
    move_documents(store, manifest, journal, [move])
    journal.close()
    _set_places(store, manifest, roots, heir.path)
    manifest.forget_fact(PLACES_DUE)
    return 0


def _set_places(store: Collection, manifest: Manifest, roots: Roots, source: str) -> None:
    places = [roots.place(source), *(roots.place(copy.path) for copy in manifest.copies(source))]
    for entry in [entry for entry in manifest if entry.source == source]:
        store.set_metadata(entry.doc_id, sources_of(places))
    store.flush()


def settle_copies(
    store: Collection,
    manifest: Manifest,
    roots: Roots,
    new: Sequence[Copy],
    *,
    moved: Iterable[str],
    gone: Container[str],
) -> list[str]:
    """Update the places of identical files in the collection and in the manifest.

    Args:
        new: copies found by a run.
        moved: new paths of moved files.
        gone: deleted files.

    Returns:
        Files that must be read, as the file that they were copies of is deleted or changed.
    """
    before, due = manifest.copies(), _places_due(manifest)
    if not new and not before and not due:
        return []
    stored: dict[str, set[str]] = {}
    ids: dict[str, list[str]] = {}
    for entry in manifest:
        stored.setdefault(entry.source, set()).add(entry.content)
        ids.setdefault(entry.source, []).append(entry.doc_id)
    again: list[str] = []
    kept = {copy.path: copy for copy in before}
    changed = {*(copy.source for copy in new), *moved}
    lost: list[str] = []
    for copy in before:
        orphan = stored.get(copy.source) != {copy.content}
        if copy.path in stored or orphan or copy.path in gone:
            del kept[copy.path]
            lost.append(copy.path)
            changed.add(copy.source)
            if orphan and copy.path not in stored and copy.path not in gone:
                again.append(copy.path)
    for copy in new:
        if stored.get(copy.source) == {copy.content}:
            kept[copy.path] = copy
            if copy.path in ids:  # it had different content before
                remove_documents(store, manifest, ids[copy.path])
        else:
            again.append(copy.path)
    changed |= {source for source, doc_ids in ids.items() if due.intersection(doc_ids)}
    owners = sorted(changed & ids.keys())
    if owners:
        _note_places_due(manifest, [doc_id for owner in owners for doc_id in ids[owner]])
    copied: dict[str, list[str]] = {}
    for copy in kept.values():
        copied.setdefault(copy.source, []).append(copy.path)
    for owner in owners:
        places = [roots.place(path) for path in (owner, *sorted(copied.get(owner, ())))]
        for doc_id in ids[owner]:
            store.set_metadata(doc_id, sources_of(places))
    store.flush()
    manifest.forget_copies(lost)
    manifest.add_copies(copy for copy in new if copy.path in kept)
    manifest.forget_fact(PLACES_DUE)
    return sorted(set(again))


def _note_places_due(manifest: Manifest, doc_ids: Iterable[str]) -> None:
    """Record that the places of these documents are about to change in the collection and in the manifest.

    Otherwise a run killed in between would leave places in the collection that no later run corrects.
    """
    manifest.remember(PLACES_DUE, json.dumps(sorted({*doc_ids, *_places_due(manifest)})))


def _places_due(manifest: Manifest) -> set[str]:
    """Return the documents whose places must be written again."""
    return set(json.loads(manifest.fact(PLACES_DUE) or "[]"))


def sources_of(places: Sequence[RootedPath]) -> dict[str, list[str]]:
    """Return ``sources``, the ids of the places, and ``other_names``, further names for filters.

    >>> sources_of([RootedPath("a.md", "docs/a.md"), RootedPath("old/b.md", "docs/old/b.md")])
    {'sources': ['docs/a.md', 'docs/old/b.md'], 'other_names': ['b.md', 'old/b.md']}
    """
    names = {name for place in places[1:] for name in (place.name, place.file_name)}
    return {"sources": [place.doc_id for place in places], "other_names": sorted(names)}


@dataclass(frozen=True, slots=True)
class Move:
    """A moved file with the same content.

    >>> old = Entry("docs/a.md", "/docs/a.md", "c0ffee", "r1"), Entry("docs/a.zip!/x.md", "/docs/a.zip", "c0ffee", "r1")
    >>> [entry.doc_id for entry in Move(old[:1], "/docs/b.md", 9, 1, RootedPath("b.md", "docs/b.md")).new]
    ['docs/b.md']
    >>> [entry.doc_id for entry in Move(old[1:], "/docs/b.zip", 9, 1, RootedPath("b.zip", "docs/b.zip")).new]
    ['docs/b.zip!/x.md']

    Args:
        old: its documents before the move.
        source, size, mtime_ns, now: its new path, stat and place.
    """

    old: tuple[Entry, ...]
    source: str
    size: int
    mtime_ns: int
    now: RootedPath

    @property
    def new(self) -> list[Entry]:
        return [
            replace(
                entry,
                doc_id=self.now.doc_id + member_of(entry),
                source=self.source,
                size=self.size,
                mtime_ns=self.mtime_ns,
            )
            for entry in self.old
        ]


def member_of(entry: Entry) -> str:
    """Return "!/folder/member.txt" for a document in an archive, "" for any other.

    >>> member_of(Entry("docs/a.zip!/notes/x.md", "/docs/a.zip", "", "")), member_of(Entry("a.md", "a.md", "", ""))
    ('!/notes/x.md', '')
    """
    archive = PurePosixPath(entry.source).name + "!/"
    _, mark, member = entry.doc_id.partition(archive)
    return f"!/{member}" if mark else ""


def move_documents(store: Collection, manifest: Manifest, journal: Journal, moves: Sequence[Move]) -> None:
    """Give documents the ids and names of their new places; vectors are kept, so no model is needed.

    This uses the journal like a replacement, so that ``recover`` finishes it after a kill at any time.
    """
    for move in moves:
        pairs = list(zip(move.old, move.new, strict=True))
        pairs = [(old, new) for old, new in pairs if old.doc_id != new.doc_id]
        for old, new in pairs:
            for part in stored_points(store, old.doc_id):
                journal.append(new.doc_id, [_renamed(point, old, new, move.now) for point in part])
        journal.complete({new.doc_id: old.truncated for old, new in pairs})
        manifest.begin([new for _, new in pairs], removing=[old.doc_id for old, _ in pairs], erase=False)
        rows = []
        for old, new in pairs:
            ids = replace_document(store, new.doc_id, journal.parts(new.doc_id))
            rows.append((new.doc_id, ids.count, old.truncated, ids.digest, str(ids.sums)))
            store.delete_document(old.doc_id)
        store.flush()
        manifest.finish_many(rows, [old.doc_id for old, _ in pairs], {old.source: move.source for old in move.old})
        journal.drop([new.doc_id for _, new in pairs])


def stored_points(
    store: Collection, doc_id: str | None = None, *, chosen: models.Filter | None = None
) -> Iterable[list[ReadyPoint]]:
    """Yield the points of a document, those selected by a filter, or all sentences, with vectors, part by part.

    >>> from types import SimpleNamespace
    >>> payload = SentenceRecord("a.md", 0, "It rains.").to_payload()
    >>> record = SimpleNamespace(payload=payload, vector={"dense": [1.0, 0.0]})
    >>> calls = SimpleNamespace(scroll=lambda name, **how: ([record], None))
    >>> store = SimpleNamespace(name="guide", engine=SimpleNamespace(calls=calls))
    >>> [point.record.text for part in stored_points(store) for point in part]
    ['It rains.']
    """
    offset = None
    if doc_id is not None:
        chosen = document_filter(doc_id)
    while True:
        records, offset = store.engine.calls.scroll(
            store.name,
            scroll_filter=chosen,
            limit=PART_POINTS,
            offset=offset,
            with_payload=True,
            with_vectors=True,
        )
        yield [_ready(record) for record in records if "text" in (record.payload or {})]
        if offset is None:
            return


def _ready(record: Any) -> ReadyPoint:
    sparse = record.vector.get(SPARSE)
    return ReadyPoint(
        SentenceRecord.from_payload(record.payload),
        np.asarray(record.vector.get(DENSE, ()), np.float32),
        None
        if sparse is None
        else SparseVector(np.asarray(sparse.indices, np.uint32), np.asarray(sparse.values, np.float32)),
    )


def _renamed(point: ReadyPoint, old: Entry, new: Entry, place: RootedPath) -> ReadyPoint:
    """Return the same sentence with its new id; a title that is the old file name changes too."""
    record, member = point.record, member_of(new)
    metadata = {**record.metadata, **names_of(place, member)}
    if not member and "title" in metadata:
        metadata["title"] = renamed({**metadata, "file_name": PurePosixPath(old.source).name}, new.source)["title"]
    for key in ("sources", "other_names"):
        metadata.pop(key, None)
    return ReadyPoint(replace(record, doc_id=new.doc_id, metadata=metadata), point.dense, point.sparse)


def names_of(place: RootedPath, member: str = "") -> dict[str, str]:
    """Return the metadata about its file that every sentence has; independent of the location of the root.

    >>> names_of(RootedPath("old/a.zip", "docs/old/a.zip"), "!/x.md")
    {'source': 'old/a.zip!/x.md', 'file_path': 'old/a.zip!/x.md', 'file_name': 'x.md'}
    """
    name = place.name + member
    return {"source": name, "file_path": name, "file_name": name.rpartition("/")[2]}
