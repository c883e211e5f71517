"""Writer: store encoded chunks, each document completely, and acknowledge it when it is on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

from indexes.encoders.base import Encoded, SparseVector
from indexes.encoders.window_pooling import ReadyPoint, WindowPooler
from indexes.ingest.events import End, Task, Writing
from indexes.ingest.report import IngestReport
from indexes.manifest.documents import put, replace_document
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import Manifest
from indexes.nodes.record import SentenceRecord
from indexes.store.collection import Collection


@dataclass(slots=True)
class Chunk:
    """Sentences that are encoded together.

    Args:
        ends: (number of sentences before it, end) of each task that ends in the chunk.
        places: sparse vectors of the words of each sentence's place, set by encoding.
    """

    pairs: list[tuple[Task, SentenceRecord]] = field(default_factory=list)
    places: list[SparseVector | None] | None = None
    ends: list[tuple[int, End]] = field(default_factory=list)
    chars: int = 0


class Writer:
    """Stores encoded chunks in order. Not thread-safe.

    At most one chunk is in memory: the points of a longer document wait in the journal until it is complete.
    """

    def __init__(
        self,
        store: Collection,
        manifest: Manifest,
        journal: Journal,
        report: IngestReport,
        pooler: Callable[[], WindowPooler],
    ) -> None:
        self._store, self._manifest, self._journal, self._report = store, manifest, journal, report
        self._make_pooler = pooler
        self._open: dict[str, Writing] = {}
        self._had_points = not store.is_empty()

    @cached_property
    def _pooler(self) -> WindowPooler:
        return self._make_pooler()

    def write(self, chunk: Chunk, encoded: Encoded | None) -> None:
        """Stage the points of a chunk; store and acknowledge the tasks that end in it.

        Args:
            encoded: vectors of the chunk; None for a chunk without sentences.
        """
        if encoded is not None:
            self._take(chunk, encoded)
        elif "_pooler" in self.__dict__:  # a document's last sentences may be in one chunk, its end in the next
            self._stage(self._pooler.finish())
        self._finish([end for _, end in chunk.ends])
        for doc_id, writing in self._open.items():  # longer than a chunk
            if writing.staged:
                self._journal.append(doc_id, writing.staged)
                writing.staged.clear()
                writing.spilled = True

    def _take(self, chunk: Chunk, encoded: Encoded) -> None:
        cut = set(encoded.truncated)
        at = 0
        for row, _ in chunk.ends:
            self._push(chunk, encoded, cut, at, row)
            self._stage(self._pooler.finish())
            at = row
        self._push(chunk, encoded, cut, at, len(chunk.pairs))

    def _push(self, chunk: Chunk, encoded: Encoded, cut: set[int], start: int, stop: int) -> None:
        if start == stop:
            return
        pairs = chunk.pairs[start:stop]
        for row, (task, record) in enumerate(pairs, start):
            writing = task.documents[record.doc_id]
            self._open[record.doc_id] = writing
            writing.truncated += row in cut
        sparse = encoded.sparse[start:stop] if encoded.sparse is not None else None
        part = replace(encoded, dense=encoded.dense[start:stop], sparse=sparse, truncated=())
        places = chunk.places[start:stop] if chunk.places is not None else None
        self._stage(self._pooler.push([record for _, record in pairs], part, places))

    def _stage(self, ready: Iterable[ReadyPoint]) -> None:
        for doc_id, group in groupby(ready, lambda point: point.record.doc_id):
            points, writing = list(group), self._open[doc_id]
            writing.staged += points
            writing.stored += len(points)
            writing.ids += sum(int(point.record.id.replace("-", ""), 16) for point in points)
            writing.sums.add_many(points)

    def _finish(self, ends: list[End]) -> None:
        """Store new documents that are in memory together; others one by one through the journal."""
        tasks = [end.task for end in ends if end.reason is None]
        for end in ends:
            if end.reason is not None:
                self._give_up(end.task, end.reason)
        fresh: list[Writing] = []
        journaled: list[Writing] = []
        for task in tasks:
            there = [writing for writing in task.documents.values() if writing.stored]
            replaces = bool(task.known) or any(w.spilled or self._is_there(w) for w in there)
            (journaled if replaces else fresh).extend(there)
        for writing in journaled:
            self._journal.append(writing.entry.doc_id, writing.staged)
        if journaled:
            self._journal.complete({writing.entry.doc_id: writing.truncated for writing in journaled})
        stale = [doc_id for task in tasks for doc_id in [*task.stale, *self._legacy(task)]]
        written = fresh + journaled
        if written or stale:
            faults = {task.report.path: task.faults for task in tasks}
            self._manifest.begin([writing.entry for writing in written], stale, faults)
            put(self._store, [point for writing in fresh for point in writing.staged])
            for writing in journaled:
                doc_id = writing.entry.doc_id
                parts = self._journal.parts(doc_id) if writing.spilled else iter([writing.staged])
                replace_document(self._store, doc_id, parts)
            for doc_id in stale:
                self._store.delete_document(doc_id)
            self._store.flush()
            self._manifest.finish_many([_row(writing) for writing in written], removed=stale)
            self._journal.drop([writing.entry.doc_id for writing in journaled])
        for task in tasks:
            self._acknowledge(task)

    def _is_there(self, writing: Writing) -> bool:
        """Return whether the collection has points of a document missing from the manifest, which may be lost."""
        return self._had_points and self._store.count(writing.entry.doc_id) > 0

    def _legacy(self, task: Task) -> list[str]:
        """Return the ids of version 0.1.0 under which the collection has a file that is missing from the manifest."""
        if not self._had_points or task.known:
            return []
        ids = {writing.legacy for writing in task.documents.values()} - {"", *task.documents}
        return [doc_id for doc_id in sorted(ids) if self._store.count(doc_id)]

    def _acknowledge(self, task: Task) -> None:
        writings = task.documents.values()
        report = task.report
        report.sentences = sum(writing.stored for writing in writings)
        report.truncated = sum(writing.truncated for writing in writings)
        if not report.sentences:
            report.status = "skipped"
            report.reason = f"{report.path} holds no sentence; nothing in it can be found"
        self._report.truncated += report.truncated
        self._report.sentences_added += report.sentences
        self._close(task)

    def _give_up(self, task: Task, reason: str) -> None:
        self._journal.drop([w.entry.doc_id for w in task.documents.values() if w.spilled])
        task.report.status = "skipped"
        task.report.reason = reason
        self._close(task)

    def _close(self, task: Task) -> None:
        for doc_id in task.documents:
            self._open.pop(doc_id, None)
        task.documents.clear()
        self._report.files.append(task.report)
        for member, reason in task.faults:
            self._report.skip(member, reason)


def _row(writing: Writing) -> tuple[str, int, int, str, str]:
    digest = f"{writing.ids % (1 << 128):032x}"
    return writing.entry.doc_id, writing.stored, writing.truncated, digest, str(writing.sums)
