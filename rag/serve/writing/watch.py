"""Watcher: keep folders in sync with a collection while the server answers."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from indexes.errors import RagWrightError, SourceError
from indexes.ingest.walk_files import FileWalk
from rag.serve.errors import Problem
from rag.serve.writing.jobs import Jobs, WriteJob

LOOK_EVERY = 2.0  # seconds between two scans; a large folder is scanned less often
SHARE = 10  # scanning takes at most one part in this many of the time


class Watcher:
    """Scan folders, and queue a job if files were added, changed, moved or deleted.

    A change is processed once two scans in a row see the same files, so that a file is not read while it is written. If
    all files are gone at once (a disk that is not mounted), the job fails and deletes nothing.

    >>> (folder / "docs").mkdir()
    >>> watcher = Watcher(None, "guide", [folder / "docs"])
    >>> watcher.as_dict()
    {'collection': 'guide', 'folders': ['docs'], 'job': None, 'note': ''}

    Args:
        jobs: the queue of jobs.
        collection: the collection to sync.
        folders: folders to watch, with their subfolders.
        store: the store's own folder, which is skipped.
        ready: returns whether the server accepts jobs.
        every: seconds between two scans.

    Raises:
        SourceError: one of them is not a folder.
    """

    def __init__(
        self,
        jobs: Jobs,
        collection: str,
        folders: Sequence[Path],
        *,
        store: Path | None = None,
        ready: Callable[[], bool] = lambda: True,
        every: float = LOOK_EVERY,
    ) -> None:
        self.collection, self.folders = collection, [folder.expanduser().resolve() for folder in folders]
        for folder in self.folders:
            if not folder.is_dir():
                raise SourceError(f"{str(folder)!r} is not a folder", remedy="watch a folder that exists")
        self._jobs, self._store, self._ready, self._every = jobs, store, ready, every
        self._seen = self._done = ""
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.note = ""
        self.job: WriteJob | None = None

    def start(self) -> None:
        """Start scanning, in a thread."""
        self._thread = threading.Thread(target=self._work, name="ragwright-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop scanning."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def sync(self) -> WriteJob:
        """Queue a job at once; documents of deleted files are removed.

        Raises:
            Problem: "busy" or "draining".
        """
        if self.job is not None and self.job.ended is None:
            return self.job
        self.note = ""
        self.job = self._jobs.add(WriteJob("folder", self.collection, files=list(self.folders), prune=True))
        return self.job

    def look(self) -> WriteJob | None:
        """Scan once, and queue a job if the folders have changed and are quiet again."""
        stamp = snapshot(self.folders, self._store)
        quiet, self._seen = stamp == self._seen, stamp
        if not quiet or stamp == self._done or (self.job is not None and self.job.ended is None):
            return None
        job = self.sync()
        self._done = stamp
        return job

    def as_dict(self) -> dict[str, Any]:
        """Return what the page and the API show: names, not paths."""
        return {
            "collection": self.collection,
            "folders": [folder.name for folder in self.folders],
            "job": None if self.job is None else self.job.as_dict(),
            "note": self.note,
        }

    def _work(self) -> None:
        wait = self._every
        while not self._end.wait(wait):
            if not self._ready():
                continue
            started = time.monotonic()
            try:
                self.look()
            except (RagWrightError, Problem) as error:
                self.note = str(error)
            wait = max(self._every, SHARE * (time.monotonic() - started))


def snapshot(folders: Sequence[Path], store: Path | None = None) -> str:
    """Return a digest of names, sizes and times of the readable files.

    >>> _ = (folder / "a.md").write_text("It opens at 6.")
    >>> before = snapshot([folder])
    >>> _ = (folder / "a.md").write_text("It opens at half past 7.")
    >>> snapshot([folder]) == before
    False

    Raises:
        SourceError: a folder is gone.
    """
    digest = hashlib.sha256()
    walk = FileWalk(folders, on_skip=lambda *_: None, on_ignored=lambda _: None, follow_links=True, leave_out=store)
    for found in walk:
        digest.update(f"{found.source}\0{found.size}\0{found.mtime_ns}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
