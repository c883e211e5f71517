"""Feed: turn files, Documents and nodes into events of the pipeline: records, and the end of each task."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from indexes.errors import RagWrightError, ReaderError, SourceError, StoreError
from indexes.ingest.changed_files import ReadJob
from indexes.ingest.events import End, Event, Records, Task, Writing
from indexes.ingest.reader_process import ReaderWorker
from indexes.ingest.report import FileReport, IngestReport
from indexes.ingest.walk_files import changed_at
from indexes.manifest.manifest import Entry, Manifest
from indexes.manifest.moves import names_of, sources_of
from indexes.manifest.roots import Roots
from indexes.nodes import Splitter
from indexes.nodes.record import SentenceRecord
from indexes.readers import NOT_READ
from indexes.readers.outline import HIDDEN_KEYS, NOTES_KEY
from indexes.readers.stream import DocumentStream, Part, stream_of
from indexes.store.payload import plain_json
from indexes.text.characters import half_characters, valid

if TYPE_CHECKING:
    from llama_index.core.schema import Document, TextNode

BATCH = 128  # records per event
MOST_TIMES = 30  # maximum length of all sentences, in lengths of the text: rows of tables repeat their head
LOOK = 0.05  # seconds between two checks of the time that a document takes
FREE_CHARS = 2_000_000  # characters allowed in any case


class Feed:
    """Reads and splits. Not thread-safe.

    Args:
        splitter: called for the first document (it may load the model).
        notify: called before each source, with the source and the number of sources.
        reading: called with the number of sentences read so far, when it has grown.
        seconds: time limit for splitting one document, in addition to reading it.
    """

    def __init__(
        self,
        manifest: Manifest,
        recipe: str,
        report: IngestReport,
        splitter: Callable[[], Splitter],
        worker: ReaderWorker,
        roots: Roots,
        notify: Callable[[str, int], None] = lambda path, total: None,
        *,
        reading: Callable[[int], None] = lambda sentences: None,
        seconds: float = 60.0,
    ) -> None:
        self._reading = reading
        self._manifest, self._recipe, self._report = manifest, recipe, report
        self._make_splitter, self._worker, self._notify = splitter, worker, notify
        self._splitter: Splitter | None = None
        self._seconds = seconds
        self._roots = roots
        self._seen: set[str] = set()
        # For an estimate: sentences read, those of finished files, bytes of these files and of the current one.
        self.read = self.read_whole = self.bytes_whole = self.bytes_now = 0

    def files(self, jobs: Iterable[ReadJob]) -> Iterator[Event]:
        """Yield the events of files. An unreadable file is reported, and its old points stay."""
        for job in jobs:
            self._worker.launch()  # the model is loaded for the first document, if there is any
            task = Task(FileReport(job.found.source, "updated" if job.known else "added"), job.known)
            self.bytes_whole, self.bytes_now = self.bytes_whole + self.bytes_now, job.found.size
            self.read_whole = self.read
            try:
                yield from self._file(task, job)
                yield End(task, _moved(job))
            except (ReaderError, SourceError) as error:  # a SourceError: it vanished after it was found
                yield End(task, str(error))

    def expected(self, bytes_left: int) -> int | None:
        """Estimate the total number of sentences, with files of ``bytes_left`` bytes after the current one.

        None before the first file is finished."""
        if not self.bytes_whole:
            return None
        a_byte = self.read_whole / self.bytes_whole
        now = max(self.read - self.read_whole, a_byte * self.bytes_now)
        return round(self.read_whole + now + a_byte * bytes_left)

    def _file(self, task: Task, job: ReadJob) -> Iterator[Event]:
        found = job.found
        place = self._roots.place(found.source)
        copies = [copy.path for copy in self._manifest.copies(found.source) if copy.content == job.content]
        places = [place, *map(self._roots.place, copies)]

        def skipped(member: str, reason: str) -> None:
            if reason == NOT_READ:
                self._report.ignore(PurePosixPath(member).suffix.lower() or PurePosixPath(member).name)
            else:
                task.faults.append((member, reason))

        with closing(self._worker.streams(found, skipped)) as streams:
            for stream in streams:
                legacy = stream.doc_id  # readers name documents by their absolute path
                member = legacy.removeprefix(found.source)
                stream.doc_id = place.doc_id + member
                stream.metadata.update(names_of(place, member))
                if copies:
                    stream.metadata.update(sources_of(places))
                task.report.notes += [str(note) for note in stream.metadata.get(NOTES_KEY) or ()]
                entry = Entry(stream.doc_id, found.source, job.content, self._recipe, found.size, found.mtime_ns)
                self._claim(task, entry).legacy = legacy
                self._ready()  # a model that cannot be loaded is not the fault of this file, and ends the run
                yield from self._records(task, self._named(found.source, self._bounded(found.source, stream)))

    def _bounded(self, source: str, stream: DocumentStream) -> Iterator[SentenceRecord]:
        """Yield the sentences of a document within the limits for time and text of a file."""
        read = 0

        def parts(given: Iterator[Part] = stream.parts) -> Iterator[Part]:
            nonlocal read
            for part in given:
                read += len(part.text)
                yield part

        stream.parts = parts()
        made, looked = 0, time.perf_counter()
        started = time.thread_time()  # of this thread: without the time of reader and encoder
        for record in self._split(stream):
            made += len(record.text) + len(record.raw or "") + len(record.head or "")
            now = time.perf_counter()  # this clock is cheaper to read
            spent = 0.0
            if now - looked > min(LOOK, self._seconds):
                looked, spent = now, time.thread_time() - started
            if spent > self._seconds:
                raise ReaderError(
                    f"'{source}' took longer than {self._seconds:g} s to cut into sentences and was given up",
                    remedy="leave it out, or raise ingest.file_timeout",
                )
            if made > FREE_CHARS + MOST_TIMES * read:
                raise ReaderError(
                    f"the sentences of '{source}' are more than {MOST_TIMES} times as long as its text",
                    remedy="its tables repeat long cells: split it, or leave it out",
                )
            yield record

    def _named(self, source: str, records: Iterator[SentenceRecord]) -> Iterator[SentenceRecord]:
        """Turn errors of splitting into a ReaderError, which skips the file and not the run."""
        try:
            yield from records
        except (RagWrightError, OSError):
            raise
        except Exception as error:
            raise ReaderError(
                f"'{source}' cannot be cut into sentences ({type(error).__name__}: {error})", remedy="leave it out"
            ) from error

    def documents(self, documents: Sequence[Document]) -> Iterator[Event]:
        """Yield the events of LlamaIndex Documents, by their ids."""
        for document in documents:
            source = valid(str(document.metadata.get("source", document.doc_id)))
            self._notify(source, len(documents))
            plain = {key: value for key, value in document.metadata.items() if key not in HIDDEN_KEYS}
            try:
                content = _hash_text(document.text + _json(plain))
            except RagWrightError as error:
                self._report.skip(source, f"the Document {valid(document.doc_id)!r} cannot be stored ({error})")
                continue
            if half_characters(document.doc_id):
                reason = f"the id {valid(document.doc_id)!r} holds half a character (U+FFFD); give it another id"
                self._report.skip(source, reason)
                continue
            if not document.text.strip():
                self._report.skip(
                    source, f"the Document {document.doc_id!r} holds no text; leave it out or give it text"
                )
                continue
            task = self._task(document.doc_id, source, content)
            if task is not None:
                self._ready()
                try:
                    yield from self._records(task, self._named(source, self._bounded(source, stream_of(document))))
                except ReaderError as error:
                    yield End(task, str(error))
                else:
                    yield End(task)

    def nodes(self, nodes: Sequence[TextNode]) -> Iterator[Event]:
        """Yield the events of nodes of any node parser, by their documents."""
        by_document: dict[str, list[TextNode]] = {}
        for node in nodes:
            by_document.setdefault(node.ref_doc_id or node.node_id, []).append(node)
        for doc_id, group in by_document.items():
            self._notify(valid(doc_id), len(by_document))
            if half_characters(doc_id):
                reason = f"the id {valid(doc_id)!r} holds half a character (U+FFFD); give it another id"
                self._report.skip(valid(doc_id), reason)
                continue
            records = [SentenceRecord.from_node(node, position) for position, node in enumerate(group)]
            records = [record for record in records if record.text.strip()]
            if not records:
                reason = f"the nodes of document {doc_id!r} hold no text; leave them out or give them text"
                self._report.skip(doc_id, reason)
                continue
            try:
                content = _hash_text("\x00".join(_json(record.to_payload()) for record in records))
            except RagWrightError as error:
                self._report.skip(doc_id, f"the nodes of document {doc_id!r} cannot be stored ({error})")
                continue
            task = self._task(doc_id, records[0].source, content)
            if task is not None:
                yield from self._records(task, iter(records))
                yield End(task)

    def _task(self, doc_id: str, source: str, content: str) -> Task | None:
        """Return the task for a Document; None if it is unchanged."""
        known = self._manifest.get(doc_id)
        if known and (known.content, known.recipe) == (content, self._recipe):
            self._report.files.append(FileReport(source, "unchanged", sentences=known.sentences))
            return None
        task = Task(FileReport(source, "updated" if known else "added"), [known] if known else [])
        self._claim(task, Entry(doc_id, source, content, self._recipe))
        return task

    def _claim(self, task: Task, entry: Entry) -> Writing:
        if entry.doc_id in self._seen:
            raise SourceError(
                f"the document id {entry.doc_id!r} comes twice in one run",
                remedy="give each Document a unique id (Document(id_=...))",
            )
        self._seen.add(entry.doc_id)
        writing = task.documents[entry.doc_id] = Writing(entry)
        return writing

    def _ready(self) -> Splitter:
        if self._splitter is None:
            self._splitter = self._make_splitter()
        return self._splitter

    def _split(self, document: Document | DocumentStream) -> Iterator[SentenceRecord]:
        return self._ready()(document)

    def _records(self, task: Task, records: Iterator[SentenceRecord]) -> Iterator[Event]:
        while batch := [_valid(record) for record in islice(records, BATCH)]:
            self.read += len(batch)
            self._reading(self.read)
            yield Records(task, batch)


def _valid(record: SentenceRecord) -> SentenceRecord:
    """Replace lone surrogates, which users' Documents and nodes may have; metadata is corrected when stored."""
    if not half_characters(record.text + record.after):
        return record
    return replace(record, text=valid(record.text), after=valid(record.after))


def _moved(job: ReadJob) -> str | None:
    """Return why a file cannot be trusted: it changed while it was read; None if it did not."""
    found = job.found
    try:
        status = os.stat(found.path)  # noqa: PTH116 - the name need not be UTF-8
    except OSError:
        return f"{found.source} vanished while it was read; run again"
    if (status.st_size, changed_at(status)) != (found.size, found.mtime_ns):
        return f"{found.source} was changed while it was read; run again"
    return None


def _json(value: dict[str, object]) -> str:
    """Return a user's metadata as they will be stored.

    Raises:
        StoreError: they have no JSON form.
    """
    try:
        return json.dumps(plain_json(value), sort_keys=True)
    except (RecursionError, ValueError, TypeError) as error:  # it contains itself, or something without a text form
        raise StoreError(
            f"its metadata has no JSON form ({type(error).__name__})", remedy="make it text, numbers, lists and dicts"
        ) from error


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
