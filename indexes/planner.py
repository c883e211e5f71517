"""Planner: turns a source (paths, Documents, nodes) into the documents that need work, and reports the others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llama_index.core.schema import BaseNode, Document, TextNode

from indexes.encoders.base import Encoder
from indexes.errors import ReaderError, SourceError
from indexes.manifest import Entry, Manifest
from indexes.nodes.record import SentenceRecord
from indexes.nodes.sentence_window import iter_records
from indexes.readers import iter_files, read_file
from indexes.readers.outline import OUTLINE_KEY
from indexes.report import FileReport, IngestReport, Progress
from indexes.settings import IndexSettings

# Part of every document's recipe: raise it when readers or splitter change what they make of the same file.
RECIPE_VERSION = 1

Source = str | Path | Iterable[str | Path] | Iterable[BaseNode]


@dataclass(slots=True)
class Task:
    """One document on its way: its manifest entry, and its records."""

    entry: Entry
    report: FileReport
    records: Iterator[SentenceRecord]
    replaces: bool  # points of this document may be stored already
    truncated: int = 0
    stored: int = 0


def recipe_hash(settings: IndexSettings, encoder: Encoder) -> str:
    """Everything besides the file itself that decides which points it becomes."""
    recipe = {
        "version": RECIPE_VERSION,
        "split": settings.split.model_dump(),
        "sparse_window": settings.sparse.window,
        "encoder": encoder.fingerprint.digest,
    }
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


class Planner:
    """Turns a source into the documents that need work, and reports the others."""

    def __init__(
        self,
        manifest: Manifest,
        recipe: str,
        settings: IndexSettings,
        report: IngestReport,
        had_points: bool,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._manifest = manifest
        self._recipe = recipe
        self._max_chars = settings.split.max_chars
        self._report = report
        self._had_points = had_points
        self._progress = progress
        self._total = 0
        self._current = ""
        self._seen: set[str] = set()

    def notify(self) -> None:
        if self._progress is not None:
            self._progress(Progress(len(self._report.files), self._total, self._report.sentences_added, self._current))

    def tasks(self, source: Source) -> Iterator[Task]:
        if isinstance(source, (str, Path)):
            yield from self._file_tasks([Path(source)])
            return
        items = list(source)
        if all(isinstance(item, (str, Path)) for item in items):
            yield from self._file_tasks([Path(item) for item in items])  # type: ignore[arg-type]
        elif all(isinstance(item, Document) for item in items):
            yield from self._document_tasks(items)  # type: ignore[arg-type]
        elif all(isinstance(item, TextNode) for item in items):
            yield from self._node_tasks(items)  # type: ignore[arg-type]
        else:
            kinds = sorted({type(item).__name__ for item in items})
            raise SourceError(
                f"a source of {', '.join(kinds)} cannot be indexed",
                remedy="pass a path, a list of paths, LlamaIndex Documents, or text nodes (not a mixture)",
            )

    def _file_tasks(self, paths: list[Path]) -> Iterator[Task]:
        files = list(iter_files([path.expanduser() for path in paths], on_skip=self._not_read))
        self._total = len(files)
        for path in files:
            self._current = str(path)
            try:
                yield from self._one_file(path)
            except ReaderError as error:
                self._skip(str(path), str(error))
            self.notify()

    def _not_read(self, path: Path) -> None:
        """A folder that may not be opened is a loss, and reported; a picture among documents is only counted."""
        if path.is_dir():
            self._skip(str(path), f"the folder {path} may not be opened; check its permissions")
        else:
            kind = path.suffix.lower() or path.name
            self._report.ignored[kind] = self._report.ignored.get(kind, 0) + 1

    def _one_file(self, path: Path) -> Iterator[Task]:
        resolved = path.resolve()
        source = resolved.as_posix()
        try:
            stat = resolved.stat()
            known = self._manifest.of_source(source)
            current = known and all(entry.recipe == self._recipe for entry in known)
            if current and all((e.size, e.mtime_ns) == (stat.st_size, stat.st_mtime_ns) for e in known):
                self._unchanged(source, known)
                return
            content = _hash_file(resolved)
        except OSError as error:
            raise ReaderError(
                f"{path} cannot be read ({error.strerror or error})", remedy="check that it exists and may be read"
            ) from error
        if current and all(entry.content == content for entry in known):
            for entry in known:
                self._manifest.touch(entry.doc_id, size=stat.st_size, mtime_ns=stat.st_mtime_ns)
            self._unchanged(source, known)
            return
        for document in read_file(resolved):
            entry = Entry(document.doc_id, source, content, self._recipe, stat.st_size, stat.st_mtime_ns)
            yield self._task(entry, iter_records(document, max_chars=self._max_chars))

    def _document_tasks(self, documents: list[Document]) -> Iterator[Task]:
        self._total = len(documents)
        for document in documents:
            self._current = document.doc_id
            plain = {key: value for key, value in document.metadata.items() if key != OUTLINE_KEY}
            content = _hash_text(document.text + json.dumps(plain, sort_keys=True, default=str))
            source = str(document.metadata.get("source", document.doc_id))
            known = self._manifest.get(document.doc_id)
            if known and (known.content, known.recipe) == (content, self._recipe):
                self._unchanged(source, [known])
            elif not document.text.strip():
                self._skip(source, f"the Document {document.doc_id!r} holds no text; leave it out or give it text")
            else:
                entry = Entry(document.doc_id, source, content, self._recipe)
                yield self._task(entry, iter_records(document, max_chars=self._max_chars))
            self.notify()

    def _node_tasks(self, nodes: list[TextNode]) -> Iterator[Task]:
        by_document: dict[str, list[TextNode]] = {}
        for node in nodes:
            by_document.setdefault(node.ref_doc_id or node.node_id, []).append(node)
        self._total = len(by_document)
        for doc_id, group in by_document.items():
            self._current = doc_id
            records = [SentenceRecord.from_node(node, position) for position, node in enumerate(group)]
            records = [record for record in records if record.text.strip()]
            content = _hash_text("\x00".join(json.dumps(r.to_payload(), sort_keys=True, default=str) for r in records))
            source = records[0].source if records else doc_id
            known = self._manifest.get(doc_id)
            if known and (known.content, known.recipe) == (content, self._recipe):
                self._unchanged(source, [known])
            elif not records:
                self._skip(source, f"the nodes of document {doc_id!r} hold no text; leave them out or give them text")
            else:
                yield self._task(Entry(doc_id, source, content, self._recipe), iter(records))
            self.notify()

    def _task(self, entry: Entry, records: Iterator[SentenceRecord]) -> Task:
        if entry.doc_id in self._seen:
            raise SourceError(
                f"the document id {entry.doc_id!r} comes twice in one run",
                remedy="give each Document an id of its own (Document(id_=...))",
            )
        self._seen.add(entry.doc_id)
        replaces = self._had_points
        known = self._manifest.get(entry.doc_id) is not None
        return Task(entry, FileReport(entry.source, "updated" if known else "added"), records, replaces)

    def _unchanged(self, source: str, known: list[Entry]) -> None:
        count = sum(entry.sentences for entry in known)
        self._report.files.append(FileReport(source, "unchanged", sentences=count))

    def _skip(self, path: str, reason: str) -> None:
        self._report.files.append(FileReport(path, "skipped", reason=reason))


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
