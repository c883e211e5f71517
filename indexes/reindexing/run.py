"""Reindex: a collection moves to another model beside the one in use, and switches when it is done.

Every sentence is stored with its text, so the files are not needed: the stored sentences are encoded again, with the
model of the settings, into a new generation (``indexes.store.collection_generations``). The old one answers
all the while; then the name is switched in one step. Documents are acknowledged one by one in the new generation's
own manifest, so that a run that was killed goes on where it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from indexes.encoders import build_encoder
from indexes.encoders.base import Encoder
from indexes.encoders.cache import EncodingCache
from indexes.encoders.window_pooling import WindowPooler
from indexes.errors import CollectionLockedError, StoreError
from indexes.ingest import pipeline
from indexes.ingest.events import End, Event, Records, Task, Writing, recipe_hash
from indexes.ingest.report import FileReport, IngestReport, Interrupted, Progress
from indexes.ingest.store_stage import Writer
from indexes.manifest.documents import recover, remove_documents
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import READ_AGAIN, Entry, Manifest
from indexes.manifest.paths import ENCODER_FACT, cache_folder, encoder_identity, manifest_path, remove_manifest
from indexes.near_duplicates.passages import copy_passages
from indexes.reindexing.report import ReindexReport, model_of
from indexes.reindexing.snapshot import StoredSentences
from indexes.settings.loader import load
from indexes.settings.sections import IndexSettings
from indexes.store import collection_generations as generations
from indexes.store import points
from indexes.store.checks import check_disk
from indexes.store.client import open_client
from indexes.store.collection import check_collection, ensure_collection
from indexes.store.collection_generations import READY, Generation

FRESH_BYTES = 64 << 20  # disk that an empty embedded collection takes


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
    """Move a collection to the model of the settings; the old model's vectors answer until all is done.

    Where that model filled the collection already, nothing is encoded; what an earlier run kept or left unfinished is
    removed. While it runs, nothing can be written into the collection.

    Args:
        collection: its name.
        settings: default: what rag.toml, ``RAG_*`` variables and the profile say. Their encoder is the new one.
        encoder: the new embedding model, already loaded.
        client: a Qdrant client to use instead of ``settings.store``; it stays open.
        keep_old: leave the old vectors: whoever opens the collection with the old model still gets them.
        dry_run: only say what would be done. The model is loaded, to be compared.
        progress: called now and then with a ``Progress`` (its files are documents), from any thread.

    Raises:
        CollectionNotFoundError: there is none of that name.
        CollectionLockedError: another process is writing, or (embedded engine) keeps it open for more than 10 s.
        DiskSpaceError: embedded engine: both will not fit on the disk.
        StoreError, EncoderError: the run cannot go on; the old collection is as it was, and the next run goes on.
        Interrupted: Ctrl-C; likewise.
    """
    settings = settings or load(IndexSettings).settings
    owns_client = client is None
    client = client if client is not None else open_client(settings.store)
    try:
        return _Reindex(client, collection, settings, not owns_client, progress).run(encoder, keep_old, dry_run)
    finally:
        if owns_client:
            client.close()


class _Reindex:
    def __init__(
        self,
        client: Any,
        name: str,
        settings: IndexSettings,
        shared: bool,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._client, self._settings, self._shared, self._progress = client, settings, shared, progress
        check_collection(client, generations.current(client, name))
        self._name = generations.base_name(client, name) if client.collection_exists(name) else name
        self._old = generations.current(client, self._name)
        self._started = time.monotonic()
        self._report = IngestReport()  # of the pipeline
        self._total, self._before, self._current = 0, 0, ""
        self._stop = pipeline.Stop(lambda: self._notify(stopping=True))

    def run(self, encoder: Encoder | None, keep_old: bool, dry_run: bool) -> ReindexReport:
        there = {found.collection: found for found in generations.generations(self._client, self._name)}
        old = there[self._old]
        if not old.digest:
            raise StoreError(
                f"collection {self._name!r} does not say which model filled it, so it was not built by RagWright",
                remedy="ingest its files into a collection of another name",
            )
        encoder = encoder or build_encoder(self._settings)
        report = ReindexReport(self._name, self._old, model_of(old.record), encoder.fingerprint.model)
        report.needed = old.digest != encoder.fingerprint.digest
        if dry_run:
            report.dry_run = True
            with self._briefly(self._old):
                report.sentences = points.count(self._client, self._old)
                report.documents = sum(1 for _ in points.iter_documents(self._client, self._old))
            report.kept = [found.collection for found in generations.superseded(self._client, self._name)]
            return self._timed(report)
        manifest = Manifest(self._manifest_path(self._old))
        try:
            with manifest.writer(), self._stop:
                if generations.current(self._client, self._name) != self._old:
                    raise CollectionLockedError(
                        f"another process has just moved collection {self._name!r}", remedy="run it again"
                    )
                if report.needed:
                    self._move(encoder, manifest, old, list(there.values()), report)
                self._clear(report, keep_old)
        finally:
            manifest.close()
        report.kept = [found.collection for found in generations.superseded(self._client, self._name)]
        return self._timed(report)

    # ---- the move ----

    def _move(
        self, encoder: Encoder, before: Manifest, old: Generation, there: list[Generation], report: ReindexReport
    ) -> None:
        digest = encoder.fingerprint.digest
        new = self._begun(there, digest)
        report.resumed = new is not None
        new = new or generations.next_name(self._client, self._name)
        stored = StoredSentences(self._beside(new, ".sentences"))
        try:
            with self._briefly(self._old):
                journal = Journal(before.path)
                recover(self._client, self._old, before, journal)
                journal.close()
                self._check_disk(old, encoder)
                report.sentences = stored.take(self._client, self._old, self._copied)
            report.documents = self._total = len(stored.documents)
            ensure_collection(
                self._client,
                new,
                fingerprint=encoder.fingerprint,
                idf=encoder.lexical is not None and encoder.lexical.idf,
                settings=self._settings.store,
                extra=generations.birth_record(self._name, new),
            )
            report.new = new
            # Likenesses of texts hold for any model.
            copy_passages(self._beside(self._old, ".passages"), self._beside(new, ".passages"))
            manifest = Manifest(self._manifest_path(new))
            try:
                with manifest.writer():
                    self._fill(encoder, new, manifest, before, stored, old.digest, report)
                manifest.remember(ENCODER_FACT, encoder_identity(self._settings))
            finally:
                manifest.close()
            there_now = points.count(self._client, new)
            if there_now != report.sentences:
                raise StoreError(
                    f"{there_now} of {report.sentences} sentences of collection {self._name!r} are in {new!r}",
                    remedy=f"run 'rag verify -c {self._old} --repair', then 'rag ingest --reindex' again",
                )
            points.flush(self._client, new)
            generations.switch(self._client, self._name, new)
        finally:
            stored.close()

    def _begun(self, there: list[Generation], digest: str) -> str | None:
        """A generation that this model began to fill, or had filled before the name moved on."""
        found = [item for item in there if item.collection != self._old and item.digest == digest]
        return found[-1].collection if found else None

    def _fill(
        self,
        encoder: Encoder,
        new: str,
        manifest: Manifest,
        before: Manifest,
        stored: StoredSentences,
        old_digest: str,
        report: ReindexReport,
    ) -> None:
        settings, split = self._settings, self._settings.split
        journal = Journal(manifest.path)
        recover(self._client, new, manifest, journal)
        limit = settings.ingest.cache_mb
        cache = EncodingCache(encoder, None if self._shared else cache_folder(settings.store), limit_mb=limit)
        recipes = recipe_hash(settings, old_digest), recipe_hash(settings, encoder.fingerprint.digest)
        try:
            gone = {entry.doc_id for entry in manifest} - stored.documents.keys()
            remove_documents(self._client, new, manifest, sorted(gone))
            todo = _todo(before, manifest, stored, recipes)
            report.documents_done = self._before = len(stored.documents) - len(todo)
            pipeline.run(
                self._events(todo, manifest, stored),
                cache=lambda: cache,
                writer=Writer(
                    self._client,
                    new,
                    manifest,
                    journal,
                    self._report,
                    lambda: WindowPooler(
                        encoder.lexical, settings.sparse.window, split.dense_context, split.dense_context_of
                    ),
                ),
                settings=settings,
                report=self._report,
                stop=self._stop,
                notify=self._notify,
            )
        finally:
            report.encoded = cache.stats.encoded
            cache.close()
            if not manifest.unfinished():
                journal.clear()
            journal.close()
        if self._stop.asked:
            raise Interrupted(self._report)
        cut = {entry.doc_id: entry.truncated for entry in manifest if entry.truncated}
        report.truncated = sum(cut.values())
        manifest.read_again(cut)  # the next ingest splits their files for this model

    def _events(self, todo: list[Entry], manifest: Manifest, stored: StoredSentences) -> Iterator[Event]:
        for entry in todo:
            self._current = entry.source
            known = manifest.get(entry.doc_id)
            task = Task(FileReport(entry.source, "updated"), [known] if known else [])
            task.documents[entry.doc_id] = Writing(entry)
            for records in stored.of(entry.doc_id):
                yield Records(task, records)
            yield End(task)

    # ---- what is left behind ----

    def _clear(self, report: ReindexReport, keep_old: bool) -> None:
        """Away with the generations that the name does not stand for; the first one last, whose name it is."""
        for found in reversed(generations.superseded(self._client, self._name)):
            if keep_old and found.state == READY:
                continue
            try:
                with self._briefly(found.collection):
                    generations.drop_generation(self._client, self._name, found.collection)
                remove_manifest(self._manifest_path(found.collection))
                report.removed.append(found.collection)
            except CollectionLockedError as error:
                report.notes.append(f"{error.what}: its old vectors are removed by the next 'rag ingest --reindex'")
        # What a run left that was killed between two of these steps.
        generations.keep_name(self._client, self._name)
        for collection in generations.former_names(self._client, self._name):
            remove_manifest(self._manifest_path(collection))

    # ---- the old collection, for a moment ----

    @contextlib.contextmanager
    def _briefly(self, collection: str) -> Iterator[None]:
        """Embedded engine: wait for another process's short search, and let it wait meanwhile. A server needs none."""
        if self._shared or not hasattr(self._client, "briefly"):
            yield
            return
        with self._client.briefly(collection):
            yield

    def _check_disk(self, old: Generation, encoder: Encoder) -> None:
        root = getattr(self._client, "root", None)
        if not isinstance(root, Path):
            return
        size = sum(file.stat().st_blocks * 512 for file in (root / self._old).rglob("*") if file.is_file())
        ratio = max(1.0, encoder.dim / int((old.record.get("fingerprint") or {}).get("dim") or encoder.dim))
        # The new generation, a copy of the sentences, and the encoding cache.
        needed = FRESH_BYTES + int(2 * size * ratio) + points.count(self._client, self._old) * 4 * encoder.dim
        check_disk(root, min_free_mb=self._settings.store.min_free_mb, needed_bytes=needed)

    # ---- small things ----

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
        if self._stop.asked:
            raise Interrupted(self._report)

    def _notify(self, *, stopping: bool = False) -> None:
        if self._progress is not None:
            done, seconds = self._before + len(self._report.files), time.monotonic() - self._started
            stored = self._report.sentences_added
            self._progress(Progress(done, self._total, stored, self._current, seconds, stopping))

    def _timed(self, report: ReindexReport) -> ReindexReport:
        report.seconds = time.monotonic() - self._started
        return report


def _todo(before: Manifest, manifest: Manifest, stored: StoredSentences, recipes: tuple[str, str]) -> list[Entry]:
    """The documents that are not in the new generation as they are in the old one; copies are noted on the way.

    Args:
        recipes: of the settings, with the old model and with the new one. A document that was read by other settings
            gets a recipe of neither, so that the next ingest reads its file again, as it would have.
    """
    moved = {copy.source for copy in set(before.copies()) ^ set(manifest.copies())}
    manifest.forget_copies([copy.path for copy in manifest.copies()])
    manifest.add_copies(before.copies())
    old = {entry.doc_id: entry for entry in before}
    there = {entry.doc_id: entry for entry in manifest}
    todo = []
    for doc_id, document in sorted(stored.documents.items()):
        entry = old.get(doc_id)
        if entry is None:  # stored by another machine, or with a client of its own: nothing tells whether it changed
            todo.append(Entry(doc_id, document.source, "", ""))
            continue
        recipe = recipes[1] if entry.recipe == recipes[0] else f"reindexed {entry.recipe}".strip()
        wanted = dataclasses.replace(entry, recipe=recipe, sentences=0, truncated=0, points="")
        done = there.get(doc_id)
        same = done is not None and (done.content, done.sentences) == (entry.content, document.sentences)
        if not same or done is None or done.recipe not in (recipe, READ_AGAIN) or entry.source in moved:
            todo.append(wanted)
    return todo
