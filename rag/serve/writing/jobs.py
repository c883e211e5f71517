"""Jobs: ingest while the server answers, one job after the other, each document completely or not at all."""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from indexes.errors import RagWrightError
from indexes.ingest.report import Progress
from indexes.store.upkeep.graph import graph_is_due
from rag.serve.errors import Problem, problem_of, without_paths
from rag.serve.library import Library
from rag.serve.telemetry.metrics import Metrics
from rag.serve.wire import display_name

State = Literal["waiting", "running", "done", "failed", "cancelled"]
MAX_JOBS = 100
KEPT = 200  # ended jobs that are still listed


@dataclass
class WriteJob:
    """A writing job: uploads, files and folders to ingest, documents to delete, or a graph to build.

    >>> WriteJob("folder", "handbook").state
    'waiting'

    Args:
        files: files and folders to read; uploaded files are in the store's ``uploads`` folder.
        doc_ids: documents to delete.
        prune: whether to delete the documents of files that are gone from the folders among ``files``.
        force: whether to build the graph even for a small collection.
        results: a row per file: name, status, reason, sentences.
        report: the full report of the run, with paths, for the account that started the server.
    """

    kind: Literal["upload", "folder", "delete", "optimize"]
    collection: str
    files: list[Path] = field(default_factory=list)
    doc_ids: list[str] = field(default_factory=list)
    prune: bool = False
    force: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = "waiting"
    created: float = field(default_factory=time.time)
    ended: float | None = None
    done: int = 0
    total: int = 0
    sentences: int = 0
    message: str = ""
    results: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def as_dict(self, *, paths: bool = False) -> dict[str, Any]:
        """Return the job as JSON; ``paths`` only for the account that started the server."""
        found: dict[str, Any] = {
            "job": self.id,
            "kind": self.kind,
            "collection": self.collection,
            "state": self.state,
            "created": round(self.created, 3),
            "ended": self.ended,
            "done": self.done,
            "total": self.total,
            "sentences": self.sentences,
            "message": self.message,
            "files": list(self.results),
        }
        return found | {"report": self.report} if paths else found


class _Cancelled(BaseException):
    """Raised from a progress call, so that the run ends after the current document."""


class Jobs:
    """A queue of jobs and one writing thread. A graph is built in another thread, so that writing continues.

    >>> jobs = Jobs(library=None, metrics=None)
    >>> jobs.all()
    []
    >>> jobs.get("7f3a")
    Traceback (most recent call last):
        ...
    rag.serve.errors.Problem: there is no job '7f3a'; GET /api/v1/jobs lists them
    """

    def __init__(self, library: Library, metrics: Metrics) -> None:
        self.library, self.metrics = library, metrics
        self._queue: queue.Queue[WriteJob | None] = queue.Queue()
        self._jobs: dict[str, WriteJob] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def add(self, job: WriteJob) -> WriteJob:
        """Append a job to the queue.

        Raises:
            Problem: "busy", the queue is full.
        """
        with self._lock:
            self.check_room()
            self._jobs[job.id] = job
            ended = [other.id for other in self._jobs.values() if other.ended is not None]
            for old in ended[: max(0, len(ended) - KEPT)]:
                del self._jobs[old]
            if job.kind == "optimize":
                threading.Thread(target=self._do, args=(job,), name="ragwright-optimize", daemon=True).start()
                return job
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ragwright-ingest", daemon=True)
                self._thread.start()
        self._queue.put(job)
        self._count()
        return job

    def check_room(self) -> None:
        """Refuse a job if the queue is full, before its files are received.

        Raises:
            Problem: "busy" or "draining".
        """
        waiting = sum(other.state == "waiting" for other in list(self._jobs.values()))
        if self._stopping:
            raise Problem("draining", "the server is stopping", "try again", retry_after=5)
        if waiting >= MAX_JOBS:
            raise Problem("busy", f"{waiting} jobs are already waiting", "try again later", retry_after=30)

    def all(self) -> list[WriteJob]:
        """Return all jobs, newest first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: -job.created)

    def get(self, identity: str) -> WriteJob:
        """Return one job.

        Raises:
            Problem: "not_found".
        """
        with self._lock:
            job = self._jobs.get(identity)
        if job is None:
            raise Problem("not_found", f"there is no job {identity[:40]!r}", "GET /api/v1/jobs lists them")
        return job

    def cancel(self, identity: str) -> WriteJob:
        """Stop a job: a waiting one is not started, a running one ends after the current document."""
        job = self.get(identity)
        job.stop.set()
        if job.state == "waiting":
            job.state, job.ended = "cancelled", time.time()
        elif job.kind == "optimize" and job.ended is None:
            self.library.stop_optimizing(job.collection)
        return job

    def stop(self) -> None:
        """Accept no more jobs; the running one ends after the current document."""
        if self._stopping:
            return
        self._stopping = True
        for job in self.all():
            job.stop.set()
        self._queue.put(None)

    def close(self) -> None:
        """Wait for the writing thread to end."""
        if self._thread is not None:
            self._thread.join(timeout=60)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.state == "waiting" and not job.stop.is_set():
                self._do(job)

    def _do(self, job: WriteJob) -> None:
        job.state = "running"
        self._count()
        try:
            self._run(job)
            job.state = "cancelled" if job.stop.is_set() else "done"
        except (_Cancelled, KeyboardInterrupt):
            job.state = "cancelled"
        except RagWrightError as error:
            stopped = job.kind == "optimize" and job.stop.is_set()
            job.state, job.message = ("cancelled", "") if stopped else ("failed", str(problem_of(error)))
        except Exception as error:  # noqa: BLE001 - a job that fails must not end the writing thread
            job.state, job.message = "failed", f"{type(error).__name__}: the job failed, see the log"
        finally:
            job.ended = time.time()
            self.library.changed(job.collection)
            self._count()

    def _run(self, job: WriteJob) -> None:
        with contextlib.closing(self.library.writer(job.collection, create=job.kind == "folder")) as index:
            if job.kind == "optimize":
                built = index.optimize(force=job.force)
                job.done, job.sentences = 1, index.count
                job.report = {
                    "changed": built.changed,
                    "graph": None if built.graph is None else built.graph.as_dict(),
                }
                return
            if job.kind == "delete":
                for doc_id in job.doc_ids:
                    removed = index.delete(doc_id)
                    job.results.append({"name": display_name(doc_id), "status": "deleted", "sentences": removed})
                    job.done += 1
                waiting = index.erase().waiting
                if waiting:
                    still = f"deleted text is still in {'; '.join(waiting)}"
                    job.message = without_paths(f"{still}: the next upload erases it")
                return

            def watch(progress: Progress) -> None:
                job.done, job.total = progress.files_done, progress.files_total
                job.sentences = max(progress.encoded, progress.sentences_done)  # moves within a chunk too
                if job.stop.is_set():
                    raise _Cancelled

            report = index.add(list(job.files), prune=job.prune, progress=watch, optimize=False)
            job.sentences = report.sentences_added
            if report.sentences_added and graph_is_due(index.store, index.settings.store):
                self._optimize_beside(job.collection)
            job.report = report.as_dict() | {"collection": job.collection, "sentences": index.count}
            for file in report.files:
                row: dict[str, Any] = {"name": display_name(file.path), "status": file.status}
                row["sentences"] = file.sentences
                if file.reason:
                    row["reason"] = without_paths(file.reason)
                if file.notes:
                    row["notes"] = [without_paths(note) for note in file.notes]
                job.results.append(row)
                self.metrics.ingested.labels(file.status).inc()
            job.done = job.total = max(job.total, len(report.files))

    def _optimize_beside(self, collection: str) -> None:
        """Build the graph of a collection that has grown, unless it is being built."""
        with self._lock:
            at_it = [job.collection for job in self._jobs.values() if job.kind == "optimize" and job.ended is None]
        if collection not in at_it:
            self.add(WriteJob("optimize", collection, total=1))

    def _count(self) -> None:
        jobs = self.all()
        for state in ("waiting", "running", "done", "failed", "cancelled"):
            self.metrics.jobs.labels(state).set(sum(job.state == state for job in jobs))
