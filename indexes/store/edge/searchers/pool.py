"""Searchers: processes with copies of the collections, asked in place of the engine in this process.

A copy answers only while it is what the collection is: from the moment a write begins, the engine in this process
answers again, until writing has paused and a new copy was made. So a search always sees all that was committed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from indexes.errors import RagWrightError
from indexes.files import remove
from indexes.store.edge.searchers import snapshot
from indexes.store.edge.searchers.messages import NotSaidError

if TYPE_CHECKING:
    from indexes.store.edge.folder import EdgeFolder

CODE = "import sys; sys.path[:] = {path!r}; from indexes.store.edge.searchers.child import main; main({pipe})"
QUIET = 0.3  # seconds without a write before a new copy is made
AGAIN = 60.0  # seconds until a copy is tried again that could not be made
REST = 10.0  # times as long as the last copy took, before the next: writing waits meanwhile
T = TypeVar("T")


class GoneError(Exception):
    """A searcher ended, or could not answer."""


@dataclass(slots=True)
class Copy:
    """A copy of a collection's files.

    Args:
        place: folder of the copy.
        version: version of the collection when the copy was made.
    """

    place: Path
    version: int


@dataclass(slots=True)
class _Collection:
    """What is known of one collection."""

    copy: Copy | None = None
    making: bool = False
    rested: float = 0.0  # when the next copy may be made, by the clock of time.monotonic
    warned: bool = False  # it was said that no copy can be made


class Searcher:
    """One process that searches; the caller of ``ask`` must hold ``lock``."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._opened: dict[str, Path] = {}
        self._pipe: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def ask(self, request: dict[str, Any]) -> Any:
        """Send a request to the process and return its answer.

        Raises:
            GoneError: the process ended, or could not answer; the next question starts it again.
        """
        try:
            pipe = self._started()
            pipe.send_bytes(json.dumps(request).encode())
            answer = json.loads(pipe.recv_bytes())
        except (OSError, EOFError) as error:
            self.end()
            raise GoneError(str(error)) from error
        if "failed" in answer:
            raise GoneError(answer["failed"])
        return answer["answer"]

    def has_open(self, name: str, place: Path) -> bool:
        return self._opened.get(name) == place

    def open(self, name: str, place: Path, description: dict[str, Any]) -> None:
        """Let the process open this copy, and close any other copy of the collection."""
        self.ask({"do": "open", "collection": name, "place": str(place), "description": description})
        self._opened[name] = place

    def leave(self, name: str) -> None:
        """Let the process close its copy of a collection."""
        if self._opened.pop(name, None) is not None:
            with suppress(GoneError):
                self.ask({"do": "close", "collection": name})

    def _started(self) -> Connection:
        if self._pipe is not None:
            return self._pipe
        ours, theirs = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", CODE.format(path=sys.path, pipe=theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us; it ends when the pipe does
            )
        finally:
            theirs.close()
        self._opened.clear()
        self._pipe = ours
        return ours

    def end(self) -> None:
        """End the process."""
        pipe, self._pipe = self._pipe, None
        process, self._process = self._process, None
        self._opened.clear()
        if pipe is not None:
            pipe.close()
        if process is not None:
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Searchers:
    """Processes that search copies of the collections, in place of the engine in this process.

    Args:
        number: number of processes.
        min_free_mb: disk space in MB that copies leave free.
    """

    def __init__(self, number: int, *, min_free_mb: int) -> None:
        self._searchers = [Searcher() for _ in range(number)]
        self._free = threading.Semaphore(number)
        self._min_free_mb = min_free_mb
        self._known: dict[Path, _Collection] = {}
        self._mutex = threading.Lock()
        self._opening = threading.Lock()  # a copy's files are opened by one process at a time
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Ids of the processes that run now."""
        return [searcher.pid for searcher in self._searchers if searcher.pid is not None]

    def ask(self, folder: EdgeFolder, request: Callable[[], dict[str, Any]], read: Callable[[Any], T]) -> T | None:
        """Return the answer of one of the processes to a question; None if the caller must answer it.

        Args:
            request: returns the request as JSON values; it may raise ``NotSaidError``.
            read: turns the reply of the process into the answer.
        """
        copy = self._current(folder)
        if copy is None:
            return None
        try:
            said = request()
        except NotSaidError:
            return None
        with self._any() as searcher:
            try:
                self._open(searcher, folder, copy)
                found = searcher.ask({**said, "collection": folder.folder.name})
            except GoneError:
                return None
        return read(found)

    def ready(self, folder: EdgeFolder) -> bool:
        """Return whether the processes can search this collection now."""
        return self._current(folder) is not None

    def forget(self, place: Path) -> None:
        """Delete the copy of a collection: it is closed or deleted, or its deleted texts are erased from all files.

        Args:
            place: folder of the collection.
        """
        with self._mutex:
            known = self._known.pop(place, None)
        for searcher in self._searchers:
            with searcher.lock:
                searcher.leave(place.name)
        if known is not None and known.copy is not None:
            remove(known.copy.place)

    def close(self) -> None:
        """End the processes and remove the copies."""
        with self._mutex:
            self._closed = True
            known, self._known = self._known, {}
        for searcher in self._searchers:
            with searcher.lock:
                searcher.end()
        for collection in known.values():
            if collection.copy is not None:
                remove(collection.copy.place)

    # ---- which copy ----

    def _current(self, folder: EdgeFolder) -> Copy | None:
        with self._mutex:
            if self._closed:
                return None
            known = self._known.setdefault(folder.folder, _Collection())
            if known.copy is not None and known.copy.version == folder.version:
                return known.copy
            if not known.making:
                known.making = True
                threading.Thread(
                    target=self._make, args=(folder, known), name="ragwright-searchers", daemon=True
                ).start()
            return None

    def _make(self, folder: EdgeFolder, known: _Collection) -> None:
        """Make a copy once writing has paused, and let every process open it; then it is the one that is asked."""
        place: Path | None = None
        try:
            self._wait(folder, known)
            if self._is_gone(folder, known):
                return
            with folder.opened():  # so that it is locked against other processes
                pass
            started = time.monotonic()
            with folder.writing:
                if self._is_gone(folder, known) or not folder.exists():
                    return
                folder.flush()
                version = folder.version
                place = snapshot.take(folder.shard_path, min_free_mb=self._min_free_mb)
            known.rested = time.monotonic() + REST * (time.monotonic() - started)
            copy = Copy(place, version)
            for searcher in self._searchers:
                with searcher.lock:
                    self._open(searcher, folder, copy)
            with self._mutex:
                if not self._is_gone(folder, known):
                    place, known.copy = (known.copy.place if known.copy is not None else None), copy
        except (RagWrightError, GoneError, OSError) as error:
            known.rested = time.monotonic() + AGAIN
            if not known.warned:
                known.warned = True
                warnings.warn(
                    f"searchers have no copy of {folder.folder}, so this process searches: {error}", stacklevel=2
                )
        finally:
            if place is not None:  # the one before, or this one where nobody wants it
                remove(place)
            known.making = False

    def _wait(self, folder: EdgeFolder, known: _Collection) -> None:
        time.sleep(max(known.rested - time.monotonic(), 0.0))
        version = -1
        while version != folder.version and not self._closed:
            version = folder.version
            time.sleep(QUIET)

    def _is_gone(self, folder: EdgeFolder, known: _Collection) -> bool:
        return self._closed or self._known.get(folder.folder) is not known

    def _open(self, searcher: Searcher, folder: EdgeFolder, copy: Copy) -> None:
        name = folder.folder.name
        if not searcher.has_open(name, copy.place):
            with self._opening:
                searcher.open(name, copy.place, folder.read_description())

    @contextmanager
    def _any(self) -> Iterator[Searcher]:
        """One that is not at work, held for the block."""
        with self._free:
            while True:
                for searcher in self._searchers:
                    if searcher.lock.acquire(blocking=False):
                        try:
                            yield searcher
                        finally:
                            searcher.lock.release()
                        return
                time.sleep(0.001)  # a copy is being opened by the only one left
