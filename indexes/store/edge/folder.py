"""One collection of the embedded engine on the disk: its folder, its lock, its shard.

    root/<collection>/collection.json   schema and metadata (``record``); the collection exists when this file does
    root/<collection>/lock              held while open (``indexes.lock``)
    root/<collection>/shard/            Qdrant Edge's own files

The shard is opened on first use: listing collections or reading a fingerprint locks nothing. On a read-only disk the
engine gets a copy of the files, since it opens them for writing.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indexes.errors import DiskSpaceError, ReadOnlyError, StoreError
from indexes.files import copy_folder, is_read_only, private_folder, remove
from indexes.lock import Lock
from indexes.memory import give_back
from indexes.store.checks import check_disk, check_room_to_open, disk_bytes
from indexes.store.edge import packing as edge_packing
from indexes.store.edge import rewrite
from indexes.store.edge.aside.aside import Aside
from indexes.store.edge.convert import described_config
from indexes.store.edge.faults import damaged, engine_errors, is_panic, suppress_panic
from indexes.store.edge.query import pages
from indexes.store.edge.record import RecordFile
from indexes.store.edge.searchers import snapshot
from indexes.store.models.graph import Wanted

FRESH_SEGMENT_BYTES = 160 << 20  # memory maps of a new segment, at first sparse files


class EdgeFolder:
    """One collection, for use by ``EdgeClient`` only.

    Calls are serialised by a lock: the engine holds the GIL during each of them anyway.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = RecordFile(folder)
        self.writing = threading.RLock()  # held while writing, or while files must not change; taken before the next
        self._mutex = threading.RLock()
        self.describing = threading.RLock()  # held while changing the record (read-modify-write)
        self.aside: Aside | None = None
        self._shard: Any = None
        self.lock = Lock(
            folder / "lock",
            f"the collection in {folder}",
            remedy="stop that process, or use a Qdrant server (store.url) to share one collection",
            close_first="close the other Index or client first, or pass the same client to both",
        )
        self._opened_by: int | None = None
        self._packs = True
        self._borrowed: tempfile.TemporaryDirectory[str] | None = None  # copy of a read-only shard
        self.dirty = False
        self.version = 0  # of the contents; another from the moment on at which a write begins
        self.on_leave: Callable[[], None] = lambda: None  # called when copies of the files must go
        forget = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: (method := forget()) and method())

    # ---- description ----

    @property
    def shard_path(self) -> Path:
        return self.folder / "shard"

    def exists(self) -> bool:
        return self.record.exists()

    def read_description(self, *, anew: bool = False) -> dict[str, Any]:
        """Return schema and metadata without opening or locking the shard."""
        return self.record.read(anew=anew)

    def write_description(self, description: dict[str, Any]) -> None:
        """Replace the description atomically, after its content is on the disk."""
        self.refuse_read_only()
        self.record.write(description)

    @property
    def read_only(self) -> bool:
        return is_read_only(self.folder) or is_read_only(self.shard_path)

    def refuse_read_only(self) -> None:
        if self.read_only:
            raise ReadOnlyError(
                f"the collection in {self.folder} can only be read: nothing can be written there",
                remedy="make the folder writable, or set store.path to one that is",
            )

    # ---- lifetime ----

    @property
    def is_open(self) -> bool:
        return self._shard is not None

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Hold the shard, opened on first use, for one call."""
        self._refuse_after_fork()
        with self._mutex:
            if self._shard is None:
                self._open()
            with engine_errors(self.folder):
                yield self._shard

    def create(self, config: Any, description: dict[str, Any]) -> None:
        """Create the collection. The record is written last: a crash before leaves only files to clear."""
        import qdrant_edge as qe

        with self._mutex:
            private_folder(self.folder)
            self.lock.take()
            try:
                self.record.begin(description)
                if self.shard_path.exists():
                    shutil.rmtree(self.shard_path)
                with engine_errors(self.folder):
                    self._shard = qe.EdgeShard.create(str(self.shard_path), config)
                    self._shard.flush()
                self._opened_by = os.getpid()
                self.write_description(description)
            except BaseException:
                self.close()
                raise

    def _open(self, *, swapped: bool = False) -> None:
        """Open the shard.

        Args:
            swapped: the old files are still beside it; they are deleted when searches go on.
        """
        import qdrant_edge as qe

        borrows = self.read_only
        if not borrows:
            self.lock.take()
        try:
            if not borrows:
                if not swapped:
                    rewrite.settle(self.shard_path, None if self.aside is None else self.aside.place)
                snapshot.sweep(self.shard_path)
                if self.shard_path.is_dir():
                    check_room_to_open(self.shard_path)
                self.record.keep_copy()
            self._shard = qe.EdgeShard.load(str(self._borrow() if borrows else self.shard_path))
        except BaseException as error:
            self.lock.release()
            self._give_back()
            if isinstance(error, (StoreError, OSError)) or not (isinstance(error, Exception) or is_panic(error)):
                raise
            if "WouldBlock" in str(error):  # the engine's own lock, held by another program
                raise self.lock.refusal() from error
            raise damaged(self.folder, error) from error
        self._opened_by = os.getpid()

    def _borrow(self) -> Path:
        self._borrowed = tempfile.TemporaryDirectory(prefix="ragwright-")
        place = Path(self._borrowed.name) / "shard"
        check_disk(place.parent, min_free_mb=16, needed_bytes=disk_bytes(self.shard_path))
        copy_folder(self.shard_path, place)
        return place

    def _give_back(self) -> None:
        borrowed, self._borrowed = self._borrowed, None
        if borrowed is not None:
            borrowed.cleanup()

    def flush(self) -> None:
        """Write everything acknowledged so far to the disk; does nothing if nothing was written."""
        self._refuse_after_fork()
        with self._mutex:
            if self._shard is not None and self.dirty:
                with engine_errors(self.folder):
                    self._shard.flush()
                self.dirty = False

    def close(self) -> None:
        """Flush, close and release the lock. Does nothing in a forked child: the engine belongs to the parent."""
        if self._opened_by is not None and self._opened_by != os.getpid():
            return
        self.stop_building()
        self.on_leave()
        with self._mutex:
            try:
                self._close_shard()
            finally:
                self._opened_by = None
                self.lock.release()
                self._give_back()

    def _close_shard(self) -> None:
        self.dirty = False
        try:
            if self._shard is not None:
                with engine_errors(self.folder):
                    self._shard.flush()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Close the shard without a flush, whatever its files are like."""
        shard, self._shard = self._shard, None
        if shard is not None:
            with suppress_panic():
                shard.close()

    def drop(self) -> None:
        """Delete the collection, intact or damaged.

        It is gone with the first step; after a kill the next use of the store deletes the rest (``end_deletion``)."""
        self._refuse_after_fork()
        self.stop_building()
        self.on_leave()
        with self._mutex:
            self.refuse_read_only()
            self.lock.take()
            self._let_go()
            self.record.forget()
            for place in sorted(self.folder.glob("shard*")):
                shutil.rmtree(place, ignore_errors=True)
            self._opened_by = None
            self.dirty = False
            self.lock.release()
            shutil.rmtree(self.folder, ignore_errors=True)

    def end_deletion(self) -> bool:
        """Finish a killed ``drop``; False if there is none, or another process is doing so."""
        if not self.record.half_deleted or self.read_only or not self.lock.try_take():
            return False
        self.drop()
        return True

    def rewrite(self, *, min_free_mb: int) -> None:
        """Write all points into new files, without deleted or replaced texts. Takes seconds for 50,000 points.

        Raises:
            DiskSpaceError: there is not enough room for old and new files.
            DamagedError: the files cannot be read; they are left unchanged.
        """
        self.stop_building()  # the copy would bring deleted points back
        with self.writing, self.opened() as shard:
            self.refuse_read_only()
            check_disk(
                self.folder, min_free_mb=min_free_mb, needed_bytes=disk_bytes(self.shard_path) + FRESH_SEGMENT_BYTES
            )
            try:
                new = rewrite.NewShard(self.shard_path, self.read_description(), self._pack_new)
                for page in pages(shard):
                    new.add(page)
                new.close()
            except BaseException:
                rewrite.discard(self.shard_path)
                raise
            self._close_shard()
            rewrite.swap(self.shard_path)
            graph = Wanted.read(self.read_description().get("graph"))
            if graph is not None:
                self._optimized(graph=graph, segments=1, timeout=3600, brief=False)
        self.on_leave()

    def salvage(self) -> int:
        """Keep the intact points of damaged files and return their number. The record must be intact."""
        self.stop_building()
        with self._mutex:
            self.refuse_read_only()
            self._let_go()
            self.lock.take()
            try:
                rewrite.settle(self.shard_path)
                found = rewrite.salvage(self.shard_path, self.read_description())
                rewrite.swap(self.shard_path)
            finally:
                self._opened_by = None
                self.lock.release()
        self.on_leave()
        return found

    def _pack_new(self, shard: Path) -> None:
        edge_packing.run_optimizer(shard, self.lock, timeout=3600, brief=False)

    @contextmanager
    def building(self) -> Iterator[Aside]:
        """Provide a folder beside the shard for a copy to optimise; it is deleted when the block ends.

        Raises:
            StoreError: a copy is already being optimised.
        """
        with self.writing, self.opened():
            self.refuse_read_only()
            if self.aside is not None:
                raise StoreError(
                    f"the graph of {self.folder} is already being built", remedy="wait until it is finished"
                )
            aside = self.aside = Aside(self.shard_path)
        try:
            yield aside
        finally:
            self.aside = None
            remove(aside.place)

    def stop_building(self) -> None:
        """Cancel a build that is running in another thread."""
        if self.aside is not None:
            self.aside.stop()

    def replace_by(self, aside: Aside) -> None:
        """Replace the collection's files by a complete copy, and open it."""
        with self._mutex:
            aside.go_on()
            aside.place.replace(rewrite.new_place(self.shard_path))
            self._let_go()  # without a flush: these files go, and until then their log has everything
            self.dirty = False
            old = rewrite.swap(self.shard_path, keep=True)
            self.version += 1  # copies have no graph yet
            self._open(swapped=True)
        remove(old)

    def pack(self, *, min_free_mb: int) -> bool:
        """Let a child process move points from memory into memory maps if there are many. Takes seconds.

        Without disk space, or if it fails (with one warning), the points stay in memory; the collection still works.
        """
        self._refuse_after_fork()
        with self.writing, self._mutex:
            if self._shard is None or not self._packs:
                return False
            if edge_packing.points_in_memory(self.shard_path) < edge_packing.PACK_POINTS:
                return False
            size = disk_bytes(*edge_packing.in_memory(self.shard_path))
            try:
                check_disk(self.folder, min_free_mb=min_free_mb, needed_bytes=2 * size + FRESH_SEGMENT_BYTES)
                graph = Wanted.read(self.read_description().get("graph"))
                return self._optimized(graph=graph, segments=edge_packing.SEGMENTS, timeout=3600, brief=True)
            except DiskSpaceError:
                return False
            except StoreError as error:
                self._packs = False
                warnings.warn(f"points stay in memory: {error}", stacklevel=2)
                return False

    def _optimized(self, *, graph: Wanted | None, segments: int, timeout: float, brief: bool) -> bool:
        """Optimise the closed shard while keeping the lock, so that no other process can open it."""
        import qdrant_edge as qe

        self._close_shard()
        config = described_config(self.read_description(), graph=graph, segments=segments)
        with engine_errors(self.folder):
            qe.EdgeShard.load(str(self.shard_path), config).close()  # writes the configuration for the other process
        give_back()
        try:
            return edge_packing.run_optimizer(self.shard_path, self.lock, timeout=timeout, brief=brief)
        finally:
            self.lock.say(os.getpid(), brief=self.lock.brief)

    # ---- fork ----

    def _after_fork(self) -> None:
        """In a forked child, keep the shard alive forever: dropping it there crashes, as its threads are gone."""
        if self._shard is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._shard))

    def _refuse_after_fork(self) -> None:
        if self._opened_by is not None and self._opened_by != os.getpid():
            raise StoreError(
                f"the collection in {self.folder} was opened by process {self._opened_by} before it forked this one, "
                "and the embedded engine does not survive a fork",
                remedy="open the index in the child, or start it with multiprocessing's 'spawn' method",
            )
