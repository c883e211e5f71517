"""A run of ingestion: recover, plan, read, encode, store; then handle copies and deleted files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from indexes.encoders.base import Encoder
from indexes.encoders.cache import CachedEncoder, CachedPaired, cached
from indexes.encoders.window_pooling import WindowPooler
from indexes.errors import RagWrightError, SourceError
from indexes.ingest import pipeline
from indexes.ingest.changed_files import FilePlanner
from indexes.ingest.encode_stage import passage_size
from indexes.ingest.events import Desk, Event, Read, Source, Spread, recipe_hash
from indexes.ingest.name_in_vectors import NameInVectors
from indexes.ingest.node_counts import KEY, count_nodes
from indexes.ingest.read_stage import Feed
from indexes.ingest.reader_process import ReaderWorker
from indexes.ingest.report import FileReport, IngestReport, Interrupted, Progress
from indexes.ingest.store_stage import Writer
from indexes.ingest.vector_shape import SHAPE, as_built, vector_shape
from indexes.ingest.walk_files import source_name
from indexes.manifest.documents import remove_documents
from indexes.manifest.encodings import note_passage_size
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import Entry, Manifest
from indexes.manifest.moves import move_documents, settle_copies
from indexes.manifest.paths import uploads_folder
from indexes.manifest.recovery import recover
from indexes.manifest.roots import Roots
from indexes.manifest.skipped import remember_skipped
from indexes.nodes import build_splitter
from indexes.readers.properties import day_of
from indexes.settings.sections import IndexSettings
from indexes.store.collection import Collection

ROUNDS = 5  # for copies of copies of a changed file: each round reads files whose owner is deleted or changed


def ingest(
    source: Source,
    *,
    store: Collection,
    encoder: Callable[[], Encoder],
    encoder_digest: str,
    manifest: Manifest,
    settings: IndexSettings,
    cache_folder: Path | None = None,
    prune: bool = False,
    progress: Callable[[Progress], None] | None = None,
    spread: Spread | None = None,
) -> IngestReport:
    """Read ``source`` into an existing collection. Unchanged files are skipped.

    Args:
        source: a file or folder, several of them, LlamaIndex Documents, or nodes.
        encoder: called when there is something to encode.
        encoder_digest: digest of its fingerprint.
        cache_folder: folder of the encoding cache; None: no cache.
        prune: remove documents whose files were deleted from the given folders.
        progress: called after each chunk and before each file, from any thread.
        spread: reads files outside this process (``indexes.cluster``).

    Raises:
        SourceError: a named path does not exist or is of a format that is not read, or is not a path with ``spread``.
        CollectionLockedError: another process is writing to the collection.
        StoreError, EncoderError: the run cannot continue; acknowledged documents stay.
        Interrupted: Ctrl-C; acknowledged documents stay.
    """
    if not isinstance(source, (str, Path)):
        source = list(source)  # type: ignore[assignment]
    run = _IngestRun(store, encoder, encoder_digest, manifest, settings, cache_folder, progress, spread)
    with manifest.writer():
        return run.all(source, prune)


def plan(
    source: Source, *, manifest: Manifest, encoder_digest: str, settings: IndexSettings, prune: bool = False
) -> IngestReport:
    """Return what ``ingest`` would do, from stat and content of the files. Writes nothing and needs no model.

    >>> _ = (folder / "a.md").write_text("It rains.")
    >>> report = plan(folder, manifest=Manifest(":memory:"), encoder_digest="f3ab", settings=IndexSettings())
    >>> [(Path(file.path).name, file.status) for file in report.files]
    [('a.md', 'added')]

    Raises:
        SourceError: as for ``ingest``, or the source is not a path.
    """
    report = IngestReport(dry_run=True)
    paths = paths_of(source if isinstance(source, (str, Path)) else list(source))  # type: ignore[arg-type]
    if not paths:
        raise SourceError("only files and folders can be planned", remedy="ingest Documents and nodes directly")
    started = time.monotonic()
    recipe = recipe_hash(settings, encoder_digest)
    with contextlib.closing(manifest.scratch()) as scratch:
        by_name = NameInVectors(settings)
        planner = _planner(settings, scratch, recipe, report, _open_roots(scratch, paths), by_name)
        for job in planner.jobs(paths, prune=prune):
            report.files.append(FileReport(job.found.source, "updated" if job.known else "added"))
    report.seconds = time.monotonic() - started
    return report


def _open_roots(
    manifest: Manifest,
    paths: Sequence[Path],
    taken: Mapping[str, str] | None = None,
    *,
    uploads: Path | None = None,
) -> Roots:
    """Return the roots for a run over ``paths``; the manifest is updated for a moved folder.

    Args:
        taken: labels in the collection's record.
        uploads: folder in which a server keeps uploaded files, in a folder per collection.
    """
    folders = [source_name(str(path.resolve())) for path in paths if path.is_dir()]
    for folder in folders:
        moved = Roots(manifest.roots()).moved(folder, manifest.sizes)
        if moved is not None:
            manifest.move_root(moved.path, folder)
    roots = Roots(manifest.roots(), taken, manifest.add_root)
    for folder in folders:
        roots.add_folder(folder)
    for uploaded in {_uploaded_to(path, uploads) for path in paths} if uploads else ():
        if uploaded:
            roots.add_uploads(uploaded)
    return roots


def _uploaded_to(path: Path, uploads: Path) -> str | None:
    """Return the collection's folder of uploads that contains a path."""
    place, root = path.resolve(), uploads.resolve()
    if root not in place.parents:
        return None
    return source_name(str(root / place.relative_to(root).parts[0]))


class _IngestRun:
    def __init__(
        self,
        store: Collection,
        encoder: Callable[[], Encoder],
        encoder_digest: str,
        manifest: Manifest,
        settings: IndexSettings,
        cache_folder: Path | None,
        progress: Callable[[Progress], None] | None,
        spread: Spread | None,
    ) -> None:
        self._store, self._encoder = store, encoder
        self._digest, self._spread = encoder_digest, spread
        settings, no_passages = as_built(settings, store)
        self._manifest, self._settings, self._cache_folder = manifest, settings, cache_folder
        self._progress = progress
        self._recipe = recipe_hash(settings, encoder_digest)
        self._report = IngestReport(no_passages=no_passages)
        self._started = time.monotonic()
        self._current, self._total, self._read = "", 0, 0
        self._expected: Callable[[], int | None] = lambda: None
        self._cache: CachedEncoder | CachedPaired | None = None
        self._encoded_before = 0
        self._journal = Journal(manifest.path)
        self._stop = pipeline.Stop(lambda: self._notify(stopping=True))

    def all(self, source: Source, prune: bool) -> IngestReport:
        report = self._report
        recover(self._store, self._manifest, self._journal)
        worker = ReaderWorker(self._settings.read, self._settings.ingest)
        try:
            with self._stop:
                self._everything(source, prune, worker)
        except BaseException as error:
            # A later search in this process must not find half a document; if the reason for the failure
            # prevents that, the next run does it.
            with contextlib.suppress(RagWrightError):
                recover(self._store, self._manifest, self._journal)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted(report) from error
            raise
        finally:
            worker.close()
            self._finish()
        return report

    def _everything(self, source: Source, prune: bool, worker: ReaderWorker) -> None:
        paths = paths_of(source)
        taken = self._store.record().get("roots") or {}
        uploads = uploads_folder(self._settings.store)
        self._roots = _open_roots(self._manifest, paths or (), taken, uploads=uploads)
        feed = Feed(
            self._manifest,
            self._recipe,
            self._report,
            self._splitter,
            worker,
            self._roots,
            self._note,
            reading=self._has_read,
            seconds=self._settings.ingest.file_timeout,
        )
        if paths is None:
            if self._spread is not None:
                raise SourceError("only files and folders can be spread over workers", remedy="leave the workers out")
            self._pipeline(_objects(feed, source))  # type: ignore[arg-type]
        else:
            self._record_roots(taken)
            by_name = NameInVectors(self._settings, self._store)
            planner = _planner(
                self._settings, self._manifest, self._recipe, self._report, self._roots, by_name, self._note
            )
            self._expected = lambda: feed.expected(planner.bytes_left)
            with self._reading(feed) as read:
                read(planner.jobs(paths, prune=prune))
                for _ in range(ROUNDS):
                    again = self._settle(planner)
                    if not again:
                        break
                    read(job for path in again for job in planner.again(path))
            self._record_roots(taken)
            self._remember_skipped(paths)
        if self._stop.requested:
            raise KeyboardInterrupt
        if any(file.status in ("added", "updated", "removed") for file in self._report.files):
            self._store.set_record(**{KEY: count_nodes(self._store).as_dict(), **self._shape()})

    def _remember_skipped(self, paths: Sequence[Path]) -> None:
        places = [source_name(str(path.resolve())) for path in paths]

        def covers(path: str) -> bool:
            return any(path == place or path.startswith((f"{place.rstrip('/')}/", f"{place}!/")) for place in places)

        skipped = [file for file in self._report.files if file.status == "skipped"]
        rows = ((file.path, self._roots.place(file.path).name, file.reason or "") for file in skipped)
        remember_skipped(self._manifest, covers, rows)

    def _shape(self) -> dict[str, object]:
        """Return the shape of the vectors, once it is the same for all documents."""
        same = all(entry.recipe == self._recipe for entry in self._manifest)
        return {SHAPE: vector_shape(self._settings)} if same else {}

    def _record_roots(self, taken: dict[str, str]) -> None:
        """Record labels in the collection, so that no other machine, nor a new manifest here, reuses them."""
        record = self._roots.record()
        if record != taken:
            self._store.set_record(roots=record)
            taken.clear()
            taken.update(record)

    def _reading(self, feed: Feed) -> contextlib.AbstractContextManager[Read]:
        if self._spread is None:
            return contextlib.nullcontext(lambda jobs: self._pipeline(feed.files(jobs)))
        return self._spread(
            Desk(
                self._store,
                self._manifest,
                self._settings,
                self._recipe,
                self._digest,
                self._roots,
                self._report,
                lambda: self._stop.requested,
                self._notify,
            )
        )

    def _pipeline(self, events: Iterator[Event]) -> None:
        if self._stop.requested:
            return
        writer = Writer(self._store, self._manifest, self._journal, self._report, self._pooler)
        pipeline.run(
            events,
            cache=self._cached,
            writer=writer,
            settings=self._settings,
            report=self._report,
            stop=self._stop,
            notify=self._notify,
        )

    # ---- after the files: relations between files ----

    def _settle(self, planner: FilePlanner) -> list[str]:
        """Record touched, moved and deleted files and copies; return files that must be read after all."""
        for doc_id, _, mtime_ns in planner.touched:
            self._date(doc_id, mtime_ns)
        self._manifest.touch_many(planner.touched)
        planner.touched.clear()
        if self._stop.requested:
            self._report.files = [file for file in self._report.files if file.status not in ("moved", "removed")]
            return []
        moves, planner.moves = planner.moves, []
        move_documents(self._store, self._manifest, self._journal, moves)
        gone = [doc_id for doc_ids in planner.gone.values() for doc_id in doc_ids]
        if gone:
            remove_documents(self._store, self._manifest, gone)
            for source in planner.gone:
                planner.forget_owner(source)
        new, planner.copies = planner.copies, []
        moved = [move.source for move in moves]
        again = settle_copies(self._store, self._manifest, self._roots, new, moved=moved, gone=planner.gone)
        planner.gone.clear()
        return again

    def _date(self, doc_id: str, mtime_ns: int) -> None:
        """Update the day of a touched file, if the document has no other date."""
        known = self._manifest.get(doc_id)
        if known is not None and day_of(known.mtime_ns) != day_of(mtime_ns):
            old, new = day_of(known.mtime_ns), day_of(mtime_ns)
            self._store.set_metadata(doc_id, {"last_modified_date": new}, where={"last_modified_date": old})

    # ---- the model, on demand ----

    def _splitter(self) -> Any:
        return build_splitter(self._settings.split, self._encoder())

    def _pooler(self) -> WindowPooler:
        return WindowPooler.of(self._encoder().lexical, self._settings)

    def _cached(self) -> CachedEncoder | CachedPaired:
        if self._cache is None:
            limit = self._settings.ingest.cache_mb
            self._cache = cached(self._encoder(), self._cache_folder, limit_mb=limit)
            self._encoded_before = self._cache.stats.encoded  # by earlier runs, with an encoder that has its own cache
            note_passage_size(self._store, passage_size(self._settings, self._cache.max_tokens))
        return self._cache

    def _finish(self) -> None:
        self._report.seconds = time.monotonic() - self._started
        try:
            with contextlib.suppress(RagWrightError):  # after an error, which is the one to report
                if not self._manifest.unfinished():
                    self._journal.clear()  # points of unfinished documents
                self._journal.close()
        finally:
            if self._cache is not None:
                self._report.encoded = self._cache.stats.encoded - self._encoded_before
                self._cache.close()

    def _note(self, current: str, total: int) -> None:
        self._current, self._total = current, max(total, self._total)
        self._notify()

    def _has_read(self, sentences: int) -> None:
        self._read = sentences
        self._notify()

    def _notify(self, *, stopping: bool = False) -> None:
        if self._progress is not None:
            done, stored = len(self._report.files), self._report.sentences_added
            done = min(done, self._total) if self._total else done  # members of archives count too
            seconds = time.monotonic() - self._started
            expected = self._expected()
            files, passed = self._report.files, self._report.passed
            self._progress(
                Progress(
                    done, self._total, stored, self._current, seconds, stopping, passed, expected, files, self._read
                )
            )


def _planner(
    settings: IndexSettings,
    manifest: Manifest,
    recipe: str,
    report: IngestReport,
    roots: Roots,
    by_name: Callable[[str, str, Sequence[Entry]], bool],
    notify: Callable[[str, int], None] = lambda path, total: None,
) -> FilePlanner:
    return FilePlanner(
        manifest,
        recipe,
        report,
        roots,
        by_name=by_name,
        follow_links=settings.ingest.follow_links,
        leave_out=settings.store.path.expanduser(),  # the store may be in a folder that is read
        notify=notify,
    )


def paths_of(source: Source) -> list[Path] | None:
    """Return the paths of a source; None for Documents and nodes.

    >>> [path.name for path in paths_of(["docs/guide.md", "docs"])]
    ['guide.md', 'docs']

    Raises:
        SourceError: an empty path.
    """
    if source == "" or (isinstance(source, list) and "" in source):
        raise SourceError("an empty path was given", remedy="name a file or folder ('.' for this one)")
    if isinstance(source, (str, Path)):
        return [Path(source).expanduser()]
    if source and all(isinstance(item, (str, Path)) for item in source):
        return [Path(item).expanduser() for item in source]  # type: ignore[arg-type]
    return None


def _objects(feed: Feed, items: list[Any]) -> Iterator[Event]:
    from llama_index.core.schema import Document, TextNode  # what was given has imported it

    if all(isinstance(item, Document) for item in items):
        return feed.documents(items)
    if all(isinstance(item, TextNode) for item in items):
        return feed.nodes(items)
    kinds = sorted({type(item).__name__ for item in items})
    raise SourceError(
        f"a source of {', '.join(kinds)} cannot be indexed",
        remedy="pass a path, a list of paths, LlamaIndex Documents, or text nodes (not a mixture)",
    )
