"""Copy a collection document by document, skipping unchanged ones, then verify the copy.

The copy's manifest lists what it has, so that an interrupted run is continued and a later one updates the copy. A
document is unchanged if content, recipe, points and checksums are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from indexes.copying.ends import (
    End,
    fingerprint_of,
    place_of,
    shown,
    state_of,
    target_settings,
)
from indexes.copying.report import CopyReport
from indexes.display import counted
from indexes.encoders.vectors import EMPTY_SPARSE
from indexes.encoders.window_pooling import ReadyPoint
from indexes.errors import StoreError
from indexes.ingest.report import Progress
from indexes.manifest.documents import Ids, put, remove_documents, replace_document
from indexes.manifest.manifest import Entry
from indexes.manifest.moves import PLACES_DUE, stored_points
from indexes.manifest.paths import ENCODER_FACT
from indexes.manifest.recovery import finish
from indexes.manifest.verify import adopt, verify
from indexes.settings.loader import load
from indexes.settings.sections import IndexSettings
from indexes.store import models
from indexes.store.checks import check_disk
from indexes.store.client import open_engine
from indexes.store.generations import base_name
from indexes.store.models.graph import KEY as GRAPH
from indexes.store.stock import is_stock
from indexes.store.upkeep.graph import optimize_if_due

Faults = Mapping[str, Sequence[tuple[str, str]]]  # archive -> (member, reason why it cannot be read)
TOGETHER = 1000  # sentences copied in one step
MARK = "copy_of"  # in the record of a copy
NOT_COPIED = ("schema", "fingerprint", GRAPH, MARK, "of", "name", "state", "moved_to")  # values of the record


def copy_collection(
    collection: str = "default",
    *,
    to: str | Path,
    settings: IndexSettings | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> CopyReport:
    """Copy a collection to another store, or update a copy. Nothing is encoded.

    Points with vectors, the record and the manifest are copied, document by document; then the copy is verified.
    Meanwhile the collection cannot be written; it can be searched if the store serves several processes. An interrupted
    run is continued by the next one.

    Args:
        collection: name of the collection in both stores.
        to: address of a Qdrant server (http:// or https://), or a folder for the embedded engine.
        settings: default: from rag.toml, ``RAG_*`` variables and the profile; ``store`` is the source.
        progress: called from time to time with a ``Progress`` (its files are documents).

    Raises:
        CollectionNotFoundError: the collection does not exist.
        CollectionLockedError: another process is writing, or (embedded engine) has it open.
        DiskSpaceError: the copy does not fit on the disk.
        StoreError: the target has a collection of that name that is not a copy of this one, or was written to since.
    """
    settings = settings or load(IndexSettings).settings
    started = time.monotonic()
    source, target = settings.store, target_settings(settings.store, to)
    if place_of(source) == place_of(target):
        raise StoreError(
            f"collection {collection!r} lies in {shown(target)} already", remedy="name another folder or address"
        )
    with ExitStack() as stack:
        ends = []
        for store in (source, target):
            engine = stack.enter_context(closing(open_engine(store)))
            if hasattr(engine, "patience"):
                engine.patience = store.wait
            ends.append(End.of(engine, store, collection))
            stack.callback(ends[-1].manifest.close)
        first = ends[0].store  # the copy of a later generation is the first of its name
        name = base_name(first.engine, first.name) if first.exists() else collection
        report = _Copying(ends[0], ends[1], name, settings, progress).run()
    report.seconds = time.monotonic() - started
    return report


class _Copying:
    def __init__(
        self,
        source: End,
        target: End,
        name: str,
        settings: IndexSettings,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._source, self._target = source, target
        self._settings, self._progress = settings, progress
        self._report = CopyReport(name, shown(source.settings), shown(target.settings))
        self._started = time.monotonic()
        self._current = ""
        self._sparse = False

    def run(self) -> CopyReport:
        source, target, report = self._source, self._target, self._report
        source.store.check()
        if is_stock(source.store):
            raise StoreError(
                f"collection {report.collection!r} was not built by RagWright, so it has no manifest to copy by",
                remedy="copy it with a snapshot of Qdrant's, or ingest its files",
            )
        with ExitStack() as stack:
            if not source.manifest.read_only:
                stack.enter_context(source.manifest.writer())
                finish(source.store, source.manifest)
                adopt(source.store, source.manifest)
            stack.enter_context(target.manifest.writer())
            self._prepare()
            self._sparse = source.store.has_sparse()
            wanted = {entry.doc_id: entry for entry in source.manifest}
            there = {entry.doc_id: entry for entry in target.manifest}
            report.documents = len(wanted)
            report.sentences = sum(entry.sentences for entry in wanted.values())
            gone = sorted(there.keys() - wanted.keys())
            if gone:
                remove_documents(target.store, target.manifest, gone)
                report.removed = len(gone)
            todo = [entry for entry in wanted.values() if not _is_same(entry, there.get(entry.doc_id))]
            faults = source.manifest.faults()
            self._copy([entry for entry in todo if entry.doc_id not in there], faults, len(todo))
            for entry in todo:
                if entry.doc_id in there:
                    self._replace(entry, faults.get(entry.source), len(todo))
            self._finish_manifest()
            verified = verify(target.store, target.manifest, deep=True)
            report.differences = len(verified.differences)
            if verified.sound:
                self._mark(whole=True)
                graph = optimize_if_due(target.store, target.settings, self._graphed)
                if isinstance(graph, str):
                    report.notes.append(graph)
        return report

    # ---- the copy ----

    def _prepare(self) -> None:
        """Create the copy, or check that the existing collection is a copy."""
        source, target, name = self._source, self._target, self._report.collection
        record = source.store.record()
        if not target.store.exists():
            size, folder = source.store.disk_bytes(), target.store.engine.folder(name)
            if folder is not None:
                needed = size or source.store.count() * (4 * int(record["fingerprint"]["dim"]) + 2048)
                existing = next(place for place in (folder, *folder.parents) if place.exists())
                check_disk(existing, min_free_mb=target.settings.min_free_mb, needed_bytes=needed)
            target.manifest.clear()  # of a deleted collection
            target.store.ensure(
                fingerprint_of(record),
                idf=source.store.has_idf(),
                settings=target.settings,
                lengths=source.store.keeps_lengths(),
                extra={key: value for key, value in record.items() if key not in NOT_COPIED}
                | {MARK: {"store": place_of(source.settings), "whole": False}},
            )
            return
        there = target.store.record()
        mark = there.get(MARK) or {}
        if (there.get("fingerprint") or {}).get("digest") != record["fingerprint"]["digest"] or not mark:
            raise StoreError(
                f"{shown(target.settings)} holds a collection {name!r} that is not a copy of this one",
                remedy="name another folder or address, or delete that one first (rag delete --all)",
            )
        if mark.get("whole") and mark.get("state") != state_of(target.manifest):
            raise StoreError(
                f"the copy of {name!r} in {shown(target.settings)} was written to after it had been copied",
                remedy="use that one, or delete it first (rag delete --all) and copy again",
            )
        self._report.resumed = not mark.get("whole")
        finish(target.store, target.manifest)
        self._mark(whole=False)

    def _mark(self, *, whole: bool) -> None:
        record = self._source.store.record()
        kept = {key: value for key, value in record.items() if key not in NOT_COPIED}
        mark: dict[str, Any] = {"store": place_of(self._source.settings), "whole": whole}
        if whole:
            mark |= {"state": state_of(self._target.manifest), "at": int(time.time())}
        self._target.store.set_record(**kept, **{MARK: mark})

    # ---- documents ----

    def _copy(self, entries: Sequence[Entry], faults: Faults, todo: int) -> None:
        """Copy documents that the copy lacks, many small ones in one step."""
        source, target = self._source, self._target
        for some in together(entries):
            target.manifest.begin(some, faults={e.source: faults[e.source] for e in some if e.source in faults})
            found = {entry.doc_id: Ids() for entry in some}
            chosen = models.Filter(must=[models.FieldCondition(key="doc_id", match=models.MatchAny(any=list(found)))])
            for part in stored_points(source.store, chosen=chosen):
                put(target.store, self._whole(part))
                for point in part:
                    found[point.record.doc_id].add(point)
            self._finish(some, found, todo)

    def _replace(self, entry: Entry, faults: Sequence[tuple[str, str]] | None, todo: int) -> None:
        """Copy a document of which the copy has another version."""
        source, target = self._source, self._target
        target.manifest.begin(entry, faults={entry.source: faults} if faults else None)
        parts = (self._whole(part) for part in stored_points(source.store, entry.doc_id))
        self._finish([entry], {entry.doc_id: replace_document(target.store, entry.doc_id, parts)}, todo)

    def _finish(self, entries: Sequence[Entry], found: dict[str, Ids], todo: int) -> None:
        for entry in entries:
            if found[entry.doc_id].count != entry.sentences:
                raise StoreError(
                    f"{found[entry.doc_id].count} of {counted(entry.sentences, 'sentence')} "
                    f"of {entry.doc_id!r} are in collection "
                    f"{self._report.collection!r}",
                    remedy=f"run 'rag verify --repair --collection {self._report.collection}', then copy again",
                )
        self._target.store.flush()
        rows = [
            (entry.doc_id, entry.sentences, entry.truncated, entry.points or ids.digest, entry.sums or str(ids.sums))
            for entry, ids in ((entry, found[entry.doc_id]) for entry in entries)
        ]
        self._target.manifest.finish_many(rows)
        report = self._report
        report.copied += len(entries)
        report.sentences_copied += sum(entry.sentences for entry in entries)
        self._current = entries[-1].doc_id
        self._notify(todo)

    def _whole(self, part: list[ReadyPoint]) -> list[ReadyPoint]:
        """Complete empty sparse vectors if the collection has that leg: an engine returns none for no terms."""
        if not self._sparse:
            return part
        return [point if point.sparse is not None else replace(point, sparse=EMPTY_SPARSE) for point in part]

    # ---- the rest of the manifest ----

    def _finish_manifest(self) -> None:
        source, target = self._source.manifest, self._target.manifest
        target.forget_copies([copy.path for copy in target.copies()])
        target.add_copies(source.copies())
        for root in source.roots():
            target.add_root(root)
        for fact in (ENCODER_FACT, PLACES_DUE):
            value = source.fact(fact)
            if value is not None:
                target.remember(fact, value)

    def _graphed(self, sentences: int) -> None:
        self._current = f"the graph of {counted(sentences, 'sentence')}"
        self._notify(self._report.copied)

    def _notify(self, todo: int) -> None:
        if self._progress is not None:
            seconds, report = time.monotonic() - self._started, self._report
            self._progress(Progress(report.copied, todo, report.sentences_copied, self._current, seconds))


def _is_same(entry: Entry, other: Entry | None) -> bool:
    """Return whether a copy has an unchanged version of a document."""
    if other is None:
        return False
    sums = entry.sums or other.sums, entry.points or other.points
    return replace(entry, sums=sums[0], points=sums[1]) == other


def together(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield groups of documents with about ``TOGETHER`` sentences, or one longer document.

    >>> entries = [Entry(f"{number}.md", f"{number}.md", "", "", sentences=400) for number in range(5)]
    >>> [len(group) for group in together(entries)]
    [2, 2, 1]
    """
    some: list[Entry] = []
    sentences = 0
    for entry in entries:
        if some and sentences + entry.sentences > TOGETHER:
            yield some
            some, sentences = [], 0
        some.append(entry)
        sentences += entry.sentences
    if some:
        yield some
