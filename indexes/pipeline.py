"""The first journey: file -> Document -> sentences -> one forward pass -> points in Qdrant.

Everything streams: sentences are encoded in chunks that run across document borders, so small files cost no small
batches and a huge file costs no memory. A document is acknowledged (``done`` in the manifest) only after all of its
points are stored and flushed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from indexes.encoders.base import Encoder
from indexes.manifest import Manifest
from indexes.nodes.record import SentenceRecord
from indexes.planner import Planner, Source, Task, recipe_hash
from indexes.pooling import ReadyPoint, WindowPooler
from indexes.report import IngestReport, Progress
from indexes.settings import IndexSettings
from indexes.store import points

CHUNK_SENTENCES = 2048  # encoded together: enough for full batches after sorting by length
CHUNK_CHARS = 400_000  # ... and never more text than this at once


class _DocumentEnd(NamedTuple):
    """Stands in the stream after a document's last record."""

    task: Task


def ingest(
    source: Source,
    *,
    client: Any,
    collection: str,
    encoder: Encoder,
    manifest: Manifest,
    settings: IndexSettings,
    progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Read ``source`` into an existing collection; what is already there and unchanged is left alone.

    Args:
        source: a file or folder, several of them, LlamaIndex Documents, or nodes.
        progress: called after each chunk and each file.

    Raises:
        SourceError: a named path does not exist or is of no kind we read.
        StoreError, EncoderError: the run cannot go on; what was acknowledged stays.
    """
    started = time.monotonic()
    report = IngestReport()
    recipe = recipe_hash(settings, encoder)
    for doc_id in manifest.unfinished():
        points.delete_document(client, collection, doc_id)
        manifest.forget(doc_id)
    had_points = points.count(client, collection) > 0
    planner = Planner(manifest, recipe, settings, report, had_points, progress)
    writer = _Writer(client, collection, encoder, manifest, settings, report, planner.notify)
    try:
        for task in planner.tasks(source):
            writer.add(task)
        writer.drain()
    finally:
        report.seconds = time.monotonic() - started
    return report


class _Writer:
    """Collects records into chunks, encodes, pools and stores them, and acknowledges whole documents."""

    def __init__(
        self,
        client: Any,
        collection: str,
        encoder: Encoder,
        manifest: Manifest,
        settings: IndexSettings,
        report: IngestReport,
        notify: Callable[[], None],
    ) -> None:
        self._client = client
        self._collection = collection
        self._encoder = encoder
        self._manifest = manifest
        self._report = report
        self._notify = notify
        self._pooler = WindowPooler(encoder.lexical, settings.sparse.window)
        self._chunk: list[tuple[Task, SentenceRecord] | _DocumentEnd] = []
        self._sentences = 0
        self._chars = 0

    def add(self, task: Task) -> None:
        """Stream one document in."""
        self._manifest.begin(task.entry)
        if task.replaces:
            points.delete_document(self._client, self._collection, task.entry.doc_id)
        for record in task.records:
            self._chunk.append((task, record))
            self._sentences += 1
            self._chars += len(record.text)
            if self._sentences >= CHUNK_SENTENCES or self._chars >= CHUNK_CHARS:
                self.drain()
        self._chunk.append(_DocumentEnd(task))

    def drain(self) -> None:
        """Encode and store what has been collected, then acknowledge the documents that ended in it."""
        chunk, self._chunk = self._chunk, []
        self._sentences = self._chars = 0
        pairs = [item for item in chunk if not isinstance(item, _DocumentEnd)]
        encoded = self._encoder.encode_documents([record.text for _, record in pairs])
        for row in encoded.truncated:
            pairs[row][0].truncated += 1
        ready: list[ReadyPoint] = []
        ended: list[Task] = []
        row = 0
        run: list[SentenceRecord] = []

        def push_run() -> None:
            nonlocal row
            if not run:
                return
            part = type(encoded)(
                encoded.dense[row : row + len(run)],
                encoded.sparse[row : row + len(run)] if encoded.sparse is not None else None,
            )
            ready.extend(self._pooler.push(run, part))
            row += len(run)
            run.clear()

        for item in chunk:
            if isinstance(item, _DocumentEnd):
                push_run()
                ready.extend(self._pooler.finish())
                ended.append(item.task)
            else:
                item[0].stored += 1
                run.append(item[1])
        push_run()
        self._store(ready)
        for task in ended:
            self._acknowledge(task)
        self._notify()

    def _store(self, ready: list[ReadyPoint]) -> None:
        if ready:
            sparse = [point.sparse for point in ready if point.sparse is not None]
            points.upsert_records(
                self._client,
                self._collection,
                [point.record for point in ready],
                np.stack([point.dense for point in ready]),
                sparse if len(sparse) == len(ready) else None,
            )
        points.flush(self._client, self._collection)
        self._report.sentences_added += len(ready)

    def _acknowledge(self, task: Task) -> None:
        task.report.sentences = task.stored
        task.report.truncated = task.truncated
        if task.stored:
            self._manifest.finish(task.entry.doc_id, sentences=task.stored, truncated=task.truncated)
        else:
            self._manifest.forget(task.entry.doc_id)
            task.report.status = "skipped"
            task.report.reason = f"{task.entry.source} holds no sentence; nothing in it can be found"
        self._report.truncated += task.truncated
        self._report.files.append(task.report)
