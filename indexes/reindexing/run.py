"""Reindex: encode a collection with another model into a new generation, then switch to it.

Every sentence is stored with its text, so the files are not needed: the stored sentences are encoded with the model of
the settings into a new generation (``indexes.store.generations``). The old one serves searches meanwhile; then the name
is switched atomically. Documents are acknowledged one by one in the new generation's manifest, so that a killed run can
be continued.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

from indexes.display import counted
from indexes.encoders import build_encoder
from indexes.encoders.base import Encoder
from indexes.encoders.cache import cached
from indexes.encoders.window_pooling import WindowPooler
from indexes.errors import CollectionLockedError, StoreError
from indexes.ingest import pipeline
from indexes.ingest.encode_stage import passage_size
from indexes.ingest.events import (
    End,
    Event,
    Records,
    Task,
    Writing,
    recipe_hash,
)
from indexes.ingest.node_counts import KEY
from indexes.ingest.report import FileReport, IngestReport, Interrupted, Progress
from indexes.ingest.store_stage import Writer
from indexes.ingest.vector_shape import SHAPE, other_shape, vector_shape
from indexes.manifest.documents import remove_documents
from indexes.manifest.encodings import PASSAGE_SIZES, note_passage_size
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import READ_AGAIN, Entry, Manifest
from indexes.manifest.paths import ENCODER_FACT, cache_folder, encoder_identity, manifest_path, remove_manifest
from indexes.manifest.recovery import finish, recover
from indexes.reindexing.report import ReindexReport, model_of
from indexes.reindexing.snapshot import StoredSentences
from indexes.settings.loader import load
from indexes.settings.sections import IndexSettings
from indexes.store.checks import check_disk
from indexes.store.client import as_engine, open_engine
from indexes.store.collection import Collection
from indexes.store.engine import Engine
from indexes.store.generations import READY, Generation, Generations, base_name
from indexes.store.upkeep.graph import optimize_if_due

FRESH_BYTES = 64 << 20  # disk space of an empty embedded collection


def reindex(
    collection: str = "default",
    *,
    settings: IndexSettings | None = None,
    encoder: Encoder | None = None,
    client: Any = None,
    keep_old: bool = False,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> ReindexReport:
    """Move a collection to the model of the settings; the old vectors serve searches until it is done.

    If the collection already has that model, nothing is encoded, and generations that earlier runs kept or left
    unfinished are removed. The collection cannot be written meanwhile.

    Args:
        collection: name of the collection.
        settings: default: from rag.toml, ``RAG_*`` variables and the profile. Their encoder is the new one.
        encoder: the new embedding model, already loaded.
        client: a Qdrant client to use instead of ``settings.store``; it stays open.
        keep_old: keep the old vectors, for users who open the collection with the old model.
        dry_run: only report what would be done. The model is loaded for comparison.
        progress: called from time to time with a ``Progress`` (its files are documents), from any thread.

    Raises:
        CollectionNotFoundError: the collection does not exist.
        CollectionLockedError: another process is writing, or (embedded engine) keeps it open for more than 10 s.
        DiskSpaceError: embedded engine: old and new do not fit on the disk.
        StoreError, EncoderError: the run cannot continue; the old collection is unchanged, the next run continues.
        Interrupted: Ctrl-C; likewise.
    """
    settings = settings or load(IndexSettings).settings
    owns_client = client is None
    with closing(open_engine(settings.store)) if owns_client else nullcontext(as_engine(client)) as engine:
        return _Reindex(engine, collection, settings, not owns_client, progress).run(encoder, keep_old, dry_run)


class _Reindex:
    def __init__(
        self,
        engine: Engine,
        name: str,
        settings: IndexSettings,
        shared: bool,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._settings, self._shared, self._progress = settings, shared, progress
        Collection(engine, Generations(engine, name).current()).check()
        self._name = base_name(engine, name) if Collection(engine, name).exists() else name
        self._generations = Generations(engine, self._name)
        self._store = Collection(engine, self._generations.current())
        self._old = self._store.name
        self._started = time.monotonic()
        self._report = IngestReport()  # for the pipeline
        self._total, self._before, self._current = 0, 0, ""
        self._stop = pipeline.Stop(lambda: self._notify(stopping=True))

    def run(self, encoder: Encoder | None, keep_old: bool, dry_run: bool) -> ReindexReport:
        there = {found.collection: found for found in self._generations.all()}
        old = there[self._old]
        if not old.digest:
            raise StoreError(
                f"collection {self._name!r} does not record which model filled it, so it was not built by RagWright",
                remedy="ingest its files into a collection of another name",
            )
        encoder = encoder or build_encoder(self._settings)
        report = ReindexReport(self._name, self._old, model_of(old.record), encoder.fingerprint.model)
        report.needed = old.digest != encoder.fingerprint.digest or bool(other_shape(old.record, self._settings))
        if dry_run:
            report.dry_run = True
            with self._briefly(self._store):
                report.sentences = self._store.count()
                report.documents = sum(1 for _ in self._store.documents())
            report.kept = [found.collection for found in self._generations.superseded()]
            return self._timed(report)
        with closing(Manifest(self._manifest_path(self._old))) as manifest, manifest.writer(), self._stop:
            if self._generations.current() != self._old:
                raise CollectionLockedError(
                    f"another process has just moved collection {self._name!r}", remedy="run it again"
                )
            if report.needed:
                self._move(encoder, manifest, old, list(there.values()), report)
            self._clear(report, keep_old)
        report.kept = [found.collection for found in self._generations.superseded()]
        return self._timed(report)

    # ---- the move ----

    def _move(
        self, encoder: Encoder, before: Manifest, old: Generation, there: list[Generation], report: ReindexReport
    ) -> None:
        digest = encoder.fingerprint.digest
        new = self._begun(there, digest)
        report.resumed = new is not None
        new = new or self._generations.next_name()
        target = self._generations.of(new)
        with closing(StoredSentences(self._beside(new, ".sentences"))) as stored:
            with self._briefly(self._store):
                finish(self._store, before)
                self._check_disk(old, encoder)
                report.sentences = stored.take(self._store, self._copied)
            report.documents = self._total = len(stored.documents)
            target.ensure(
                encoder.fingerprint,
                idf=encoder.lexical is not None and encoder.lexical.idf,
                settings=self._settings.store,
                lengths=self._settings.split.passage > 0,
                extra={
                    **self._generations.birth_record(new),
                    "roots": old.record.get("roots") or {},
                    **{key: old.record[key] for key in (KEY, PASSAGE_SIZES) if key in old.record},
                    SHAPE: vector_shape(self._settings),
                },
            )
            report.new = new
            with closing(Manifest(self._manifest_path(new))) as manifest:
                with manifest.writer():
                    self._fill(encoder, target, manifest, before, stored, old.digest, report)
                manifest.remember(ENCODER_FACT, encoder_identity(self._settings))
            there_now = target.count()
            if there_now != report.sentences:
                raise StoreError(
                    f"{there_now} of {counted(report.sentences, 'sentence')} of "
                    f"collection {self._name!r} are in {new!r}",
                    remedy=f"run 'rag verify -c {self._old} --repair', then 'rag ingest --reindex' again",
                )
            target.flush()
            graph = optimize_if_due(target, self._settings.store, self._graphed)
            if isinstance(graph, str):
                report.notes.append(graph)
            self._generations.switch(new)

    def _begun(self, there: list[Generation], digest: str) -> str | None:
        """Return a generation that this model began to fill, or filled before the name was switched."""
        found = [
            item
            for item in there
            if item.collection != self._old and item.digest == digest and not other_shape(item.record, self._settings)
        ]
        return found[-1].collection if found else None

    def _fill(
        self,
        encoder: Encoder,
        target: Collection,
        manifest: Manifest,
        before: Manifest,
        stored: StoredSentences,
        old_digest: str,
        report: ReindexReport,
    ) -> None:
        settings = self._settings
        journal = Journal(manifest.path)
        recover(target, manifest, journal)
        limit = settings.ingest.cache_mb
        cache = cached(encoder, None if self._shared else cache_folder(settings.store), limit_mb=limit)
        encoded_before = cache.stats.encoded
        note_passage_size(target, passage_size(settings, cache.max_tokens))
        recipes = recipe_hash(settings, old_digest), recipe_hash(settings, encoder.fingerprint.digest)
        try:
            gone = {entry.doc_id for entry in manifest} - stored.documents.keys()
            remove_documents(target, manifest, sorted(gone))
            todo = _todo(before, manifest, stored, recipes)
            report.documents_done = self._before = len(stored.documents) - len(todo)
            pipeline.run(
                self._events(todo, manifest, stored),
                cache=lambda: cache,
                writer=Writer(
                    target,
                    manifest,
                    journal,
                    self._report,
                    lambda: WindowPooler.of(encoder.lexical, settings),
                ),
                settings=settings,
                report=self._report,
                stop=self._stop,
                notify=self._notify,
                skip_files=False,
            )
        finally:
            report.encoded = cache.stats.encoded - encoded_before
            cache.close()
            if not manifest.unfinished():
                journal.clear()
            journal.close()
        if self._stop.requested:
            raise Interrupted(self._report)
        cut = {entry.doc_id: entry.truncated for entry in manifest if entry.truncated}
        report.truncated = sum(cut.values())
        manifest.read_again(cut)  # the next ingest splits these files for this model

    def _events(self, todo: list[Entry], manifest: Manifest, stored: StoredSentences) -> Iterator[Event]:
        for entry in todo:
            self._current = entry.source
            known = manifest.get(entry.doc_id)
            task = Task(FileReport(entry.source, "updated"), [known] if known else [])
            task.documents[entry.doc_id] = Writing(entry)
            for records in stored.of(entry.doc_id):
                yield Records(task, records)
            yield End(task)

    # ---- cleaning up ----

    def _clear(self, report: ReindexReport, keep_old: bool) -> None:
        """Delete the generations to which the name does not refer; the first one, which has the name itself, last."""
        for found in reversed(self._generations.superseded()):
            if keep_old and found.state == READY:
                continue
            try:
                with self._briefly(self._generations.of(found.collection)):
                    self._generations.drop(found.collection)
                remove_manifest(self._manifest_path(found.collection))
                report.removed.append(found.collection)
            except CollectionLockedError as error:
                report.notes.append(f"{error.what}: its old vectors are removed by the next 'rag ingest --reindex'")
        # Remains of a run that was killed between two of these steps.
        self._generations.keep_name()
        for collection in self._generations.former_names():
            remove_manifest(self._manifest_path(collection))

    # ---- brief use of the old collection ----

    def _briefly(self, store: Collection) -> AbstractContextManager[None]:
        """Wait for another process's short search, and make it wait meanwhile; a client passed in stays open."""
        return nullcontext() if self._shared else store.briefly()

    def _check_disk(self, old: Generation, encoder: Encoder) -> None:
        size, folder = self._store.disk_bytes(), self._store.engine.folder(self._old)
        if size is None or folder is None:
            return
        ratio = max(1.0, encoder.dim / int((old.record.get("fingerprint") or {}).get("dim") or encoder.dim))
        # The new generation, a copy of the sentences, and the encoding cache.
        needed = FRESH_BYTES + int(2 * size * ratio) + self._store.count() * 4 * encoder.dim
        check_disk(folder.parent, min_free_mb=self._settings.store.min_free_mb, needed_bytes=needed)

    # ---- helpers ----

    def _manifest_path(self, collection: str) -> Path | str:
        return manifest_path(self._settings.store, collection, shared_client=self._shared)

    def _beside(self, collection: str, suffix: str) -> Path | None:
        path = self._manifest_path(collection)
        if not isinstance(path, Path):
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(path.name.removesuffix(".sqlite") + suffix)

    def _copied(self, count: int) -> None:
        self._current = f"{count} stored sentences"
        self._notify()
        if self._stop.requested:
            raise Interrupted(self._report)

    def _graphed(self, count: int) -> None:
        self._current = f"the graph of {counted(count, 'sentence')}"
        self._notify()

    def _notify(self, *, stopping: bool = False) -> None:
        if self._progress is not None:
            done, seconds = self._before + len(self._report.files), time.monotonic() - self._started
            stored = self._report.sentences_added
            self._progress(Progress(done, self._total, stored, self._current, seconds, stopping))

    def _timed(self, report: ReindexReport) -> ReindexReport:
        report.seconds = time.monotonic() - self._started
        return report


def _todo(before: Manifest, manifest: Manifest, stored: StoredSentences, recipes: tuple[str, str]) -> list[Entry]:
    """Return the documents that the new generation lacks or has in another version; copies are recorded too.

    Args:
        recipes: recipes of the settings with the old and with the new model. A document that was read with other
            settings gets neither, so that the next ingest reads its file again, as it would have.
    """
    moved = {copy.source for copy in set(before.copies()) ^ set(manifest.copies())}
    manifest.forget_copies([copy.path for copy in manifest.copies()])
    manifest.add_copies(before.copies())
    for root in before.roots():
        manifest.add_root(root)
    old = {entry.doc_id: entry for entry in before}
    there = {entry.doc_id: entry for entry in manifest}
    todo = []
    for doc_id, document in sorted(stored.documents.items()):
        entry = old.get(doc_id)
        if entry is None:  # stored by another machine or client: it is not known whether it changed
            todo.append(Entry(doc_id, document.source, "", ""))
            continue
        recipe = recipes[1] if entry.recipe == recipes[0] else f"reindexed {entry.recipe}".strip()
        wanted = dataclasses.replace(entry, recipe=recipe, sentences=0, truncated=0, points="")
        done = there.get(doc_id)
        same = done is not None and (done.content, done.sentences) == (entry.content, document.sentences)
        if not same or done is None or done.recipe not in (recipe, READ_AGAIN) or entry.source in moved:
            todo.append(wanted)
    return todo
