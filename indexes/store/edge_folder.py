"""One collection of the embedded engine on disk: its folder, its lock, its shard.

    root/<collection>/collection.json   schema and metadata; the collection exists when this file does
    root/<collection>/lock              held with flock while open; holds the pid of the process that has it, and
                                        "briefly" where it will let go in a moment
    root/<collection>/shard/            Qdrant Edge's own files

The shard is opened at first use: listing collections or reading a fingerprint locks nothing.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indexes.errors import CollectionLockedError, DiskSpaceError, StoreError
from indexes.store.checks import check_disk, check_room_to_open

BRIEFLY = "briefly"
BRIEF_WAIT = 60.0  # seconds to wait for a process that says it holds the lock for a moment only
LOCK_WAIT = 10.0  # seconds that such a process itself waits for another one, which may be at a short search


@contextmanager
def engine_errors(folder: Path) -> Iterator[None]:
    """What the engine says of a write that failed, in one sentence."""
    try:
        yield
    except Exception as error:  # the engine raises nothing narrower
        if not str(error).startswith("Service runtime error"):
            raise
        if "os error 28" in str(error) or "No space" in str(error):
            raise DiskSpaceError(
                f"the disk is full: {folder} cannot be written",
                remedy="free disk space and run it again; what was acknowledged is kept",
            ) from error
        raise StoreError(f"{folder} cannot be written ({error})", remedy="check the disk and run it again") from error


class EdgeFolder:
    """One collection. Not for direct use: ``EdgeClient`` holds one for each collection it opened.

    Calls on one collection are serialised by a lock: the engine holds the GIL during each of them anyway.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.description: dict[str, Any] = {}
        self._mutex = threading.RLock()
        self._shard: Any = None
        self._lock_fd: int | None = None
        self._opened_by: int | None = None
        self.dirty = False
        self.brief = False  # said in the lock file: whoever finds it held waits a moment
        forget = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: (method := forget()) and method())

    # ---- description ----

    @property
    def description_path(self) -> Path:
        return self.folder / "collection.json"

    @property
    def shard_path(self) -> Path:
        return self.folder / "shard"

    def exists(self) -> bool:
        return self.description_path.is_file()

    def read_description(self, *, anew: bool = False) -> dict[str, Any]:
        """Schema and metadata, without opening (or locking) the shard."""
        if anew or not self.description:
            self.description = json.loads(self.description_path.read_text(encoding="utf-8"))
        return self.description

    def write_description(self, description: dict[str, Any]) -> None:
        """Replaced in one step, after its content is on the disk."""
        temporary = self.description_path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(description, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.description_path)
        self.description = description

    # ---- lifetime ----

    @property
    def is_open(self) -> bool:
        return self._shard is not None

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The shard, opened at first use, for one call."""
        self._refuse_after_fork()
        with self._mutex:
            if self._shard is None:
                self._open()
            yield self._shard

    def create(self, config: Any, description: dict[str, Any]) -> None:
        """The description is written last: a crash before it leaves no half collection behind, only files to clear."""
        import qdrant_edge as qe

        with self._mutex:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock()
            try:
                if self.shard_path.exists():
                    shutil.rmtree(self.shard_path)
                self._shard = qe.EdgeShard.create(str(self.shard_path), config)
                self._shard.flush()
                self._opened_by = os.getpid()
                self.write_description(description)
            except BaseException:
                self.close()
                raise

    def _open(self) -> None:
        import qdrant_edge as qe

        check_room_to_open(self.shard_path)
        self._lock()
        try:
            self._shard = qe.EdgeShard.load(str(self.shard_path))
        except Exception as error:
            self._unlock()
            if "WouldBlock" in str(error):  # the engine's own lock, held by a process that is not RagWright's
                raise self._locked_error(None) from error
            raise StoreError(
                f"the collection in {self.folder} cannot be opened: {error}",
                remedy="ingest again into another collection, or restore the folder from a backup",
            ) from error
        self._opened_by = os.getpid()

    def flush(self) -> None:
        """Everything acknowledged so far is on the disk when this returns. Nothing to do when nothing was written."""
        self._refuse_after_fork()
        with self._mutex:
            if self._shard is not None and self.dirty:
                with engine_errors(self.folder):
                    self._shard.flush()
                self.dirty = False

    def close(self) -> None:
        """Flush, close, release. In a forked child nothing is touched: the engine belongs to the parent."""
        if self._opened_by is not None and self._opened_by != os.getpid():
            return
        with self._mutex:
            shard, self._shard = self._shard, None
            try:
                if shard is not None:
                    try:
                        with engine_errors(self.folder):
                            shard.flush()
                    finally:
                        shard.close()
            finally:
                self.dirty = False
                self._opened_by = None
                self._unlock()

    def drop(self) -> None:
        """Delete the collection. Its description goes first: a crash in between leaves no half collection."""
        self._refuse_after_fork()
        with self._mutex:
            if self._lock_fd is None:
                self._lock()
            shard, self._shard = self._shard, None
            if shard is not None:
                shard.close()
            self.description_path.unlink(missing_ok=True)
            self.description = {}
            shutil.rmtree(self.shard_path, ignore_errors=True)
            self._opened_by = None
            self.dirty = False
            self._unlock()
            shutil.rmtree(self.folder, ignore_errors=True)

    def optimize(self, *, timeout: float, min_free_mb: int) -> bool:
        """Close, let a fresh process optimise the files, and open again at the next use. True if it changed any."""
        self._refuse_after_fork()
        with self._mutex:
            size = sum(file.stat().st_blocks * 512 for file in self.shard_path.rglob("*") if file.is_file())
            check_disk(self.folder, min_free_mb=min_free_mb, needed_bytes=2 * size)
            self.close()
            script = Path(__file__).with_name("edge_optimize.py")
            try:
                done = subprocess.run(
                    [sys.executable, "-P", str(script), str(self.shard_path)],
                    capture_output=True,
                    text=True,
                    timeout=timeout,
                    stdin=subprocess.DEVNULL,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise StoreError(
                    f"optimising {self.folder} took longer than {timeout:.0f} s and was stopped",
                    remedy="searching goes on without it; try again when the machine is idle",
                ) from error
            if done.returncode:
                reason = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
                raise StoreError(
                    f"optimising {self.folder} failed: {reason[0]}",
                    remedy="close other programs that hold the collection open and try again",
                )
            return done.stdout.strip() == "optimized"

    # ---- fork ----

    def _after_fork(self) -> None:
        """In a forked child: keep the shard from ever being dropped there (its threads are gone, so that crashes)."""
        if self._shard is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._shard))
        if self._lock_fd is not None:
            os.close(self._lock_fd)  # the parent's lock ends with the parent, not with its last child
            self._lock_fd = None

    def _refuse_after_fork(self) -> None:
        if self._opened_by is not None and self._opened_by != os.getpid():
            raise StoreError(
                f"the collection in {self.folder} was opened by process {self._opened_by} before it forked this one, "
                "and the embedded engine does not survive a fork",
                remedy="open the index in the child, or start it with multiprocessing's 'spawn' method",
            )

    # ---- lock ----

    def _lock(self) -> None:
        import fcntl

        if self._lock_fd is not None:
            return
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                holder, _, how = os.pread(fd, 32, 0).decode("ascii", "replace").strip().partition(" ")
                patience = BRIEF_WAIT if how == BRIEFLY else LOCK_WAIT if self.brief else 0.0
                if holder != str(os.getpid()) and time.monotonic() - started < patience:
                    time.sleep(0.02)
                    continue
                os.close(fd)
                raise self._locked_error(holder) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {BRIEFLY}".encode() if self.brief else str(os.getpid()).encode(), 0)
        self._lock_fd = fd

    def _unlock(self) -> None:
        if self._lock_fd is not None:
            os.ftruncate(self._lock_fd, 0)
            os.close(self._lock_fd)  # closing releases the flock
            self._lock_fd = None

    def _locked_error(self, holder: str | None) -> CollectionLockedError:
        if holder == str(os.getpid()):
            return CollectionLockedError(
                f"the collection in {self.folder} is already open in this process ({holder})",
                remedy="close the other Index or client first, or pass the same client to both",
            )
        who = f"process {holder}" if holder else "another process"
        return CollectionLockedError(
            f"the collection in {self.folder} is held open by {who}",
            remedy="stop that process, or use a Qdrant server (store.url) to share one collection",
        )
