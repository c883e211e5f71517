"""Locks between processes: a locked file that names its holder.

The system releases the lock when the process ends, however that ends, and with the last child that shares it. The file
contains the pid of the holder, and "briefly" if it will release the lock soon.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from indexes.errors import CollectionLockedError, RagWrightError

COMMANDS = ("rag", "rag-eval")
BRIEFLY = "briefly"
BRIEF_WAIT = 60.0  # seconds to wait for a process that holds the lock briefly
LOCK_WAIT = 10.0  # seconds that a process waits to hold a lock briefly, as the holder may be doing a short search
NAMELESS = 1.0  # seconds for a process to write its pid after taking the lock, or to release it
POLL = 0.02  # seconds between two tries


class Lock:
    """An exclusive lock, not held at first. ``with lock:`` takes and releases it.

    >>> lock = Lock(folder / "lock", "the collection 'guide'")
    >>> with lock:
    ...     lock.held, holder_of(folder / "lock") == str(os.getpid())
    (True, True)
    >>> lock.held
    False

    Args:
        path: the file, in an existing folder. It is never removed: two waiting processes might lock different files.
        what: what is locked, for messages.
        remedy: remedy if another process has the lock.
        close_first: remedy if this process has the lock, where waiting would never end.
        states: words of the message for a lock held by this process, and by another.
        error: class of the error if the lock is not available.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        *,
        remedy: str = "wait until it has ended, or stop it",
        close_first: str = "close it before opening it again",
        states: tuple[str, str] = ("already open in", "held open by"),
        error: type[RagWrightError] = CollectionLockedError,
    ) -> None:
        self.path, self.what = path, what
        self.brief = False  # written to the file, so that others wait
        self.patience = 0.0  # seconds to wait for another process in any case
        self._remedy, self._close_first, self._states, self._error = remedy, close_first, states, error
        self._fd: int | None = None
        if hasattr(os, "register_at_fork"):
            forget = weakref.WeakMethod(self._leave_to_parent)
            os.register_at_fork(after_in_child=lambda: (method := forget()) and method())

    @property
    def held(self) -> bool:
        return self._fd is not None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors for a child process (``pass_fds``), which then holds the lock too."""
        return () if self._fd is None else (self._fd,)

    def take(self, wait: Callable[[str], None] | None = None) -> Lock:
        """Take the lock, unless this object holds it already.

        Args:
            wait: called with one sentence if another process has the lock; then wait without limit. None: wait only if
                the holder, or this use, is brief.

        Raises:
            RagWrightError: (of class ``error``) the lock is not available.
        """
        started, named, reported = time.monotonic(), time.monotonic(), False
        while not self.try_take():
            pid, brief = _written(self.path)
            now = time.monotonic()
            if pid:
                named = now
            patience = BRIEF_WAIT if brief else LOCK_WAIT if self.brief else 0.0
            if pid == str(os.getpid()):
                raise self.refusal(pid)
            # A process that is releasing the lock has emptied the file; one that just took it has not written yet.
            if now - started >= max(patience, self.patience) and (pid or now - named >= NAMELESS):
                if wait is None:
                    raise self.refusal(pid)
                if not reported:
                    wait(f"waiting for {_named(pid)}, which builds or uses {self.what}")
                    reported = True
            time.sleep(POLL)
        return self

    def try_take(self) -> bool:
        """Try to take the lock without waiting; return whether it is held now."""
        if self._fd is None:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if not try_lock(fd):
                    os.close(fd)
                    return False
            except BaseException:
                os.close(fd)
                raise
            self._fd = fd
            self.say(os.getpid(), brief=self.brief)
        return True

    def say(self, pid: int, *, brief: bool) -> None:
        """Write the holder to the file."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.write(self._fd, f"{pid} {BRIEFLY}".encode() if brief else str(pid).encode())

    def release(self) -> None:
        """Release the lock; releasing twice has no effect."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.ftruncate(fd, 0)
            os.close(fd)  # which unlocks it

    def refusal(self, pid: str = "") -> RagWrightError:
        """Return the error for a lock held by process ``pid``; "": by another program."""
        if pid == str(os.getpid()):
            return self._error(f"{self.what} is {self._states[0]} this process ({pid})", remedy=self._close_first)
        return self._error(f"{self.what} is {self._states[1]} {_named(pid)}", remedy=self._remedy)

    def __enter__(self) -> Lock:
        return self.take()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        """Release the lock of an index that was dropped without ``close()``."""
        if getattr(self, "_fd", None) is not None:
            with suppress(Exception):  # the interpreter may be shutting down
                self.release()

    def _leave_to_parent(self) -> None:
        """In a forked child, close the descriptor: the lock must end with the parent, not with its last child."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def holder_of(path: Path) -> str | None:
    """Return the pid of the holder of a lock without taking it; "" if unknown, None if it is free.

    >>> holder_of(folder / "lock") is None
    True
    >>> with Lock(folder / "lock", "the collection 'guide'"):
    ...     holder_of(folder / "lock") == str(os.getpid())
    True
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if try_lock(fd, shared=True) else _written(path)[0]
    finally:
        os.close(fd)


def _written(path: Path) -> tuple[str, bool]:
    """Return (pid, whether it holds the lock briefly) from the file."""
    pid, _, how = path.read_bytes().decode("ascii", "replace").strip().partition(" ")
    return pid, how == BRIEFLY


def _named(pid: str) -> str:
    """Name a holder, such as "process 4711 (rag serve)", so that nobody waits for a server to end."""
    if not pid:
        return "another process"
    command = command_of(pid)
    return f"process {pid} ({command})" if command else f"process {pid}"


def command_of(pid: str) -> str:
    """Return the command of this project that a process runs, such as "rag serve"; "" if it is another program.

    >>> command_of("not a pid")
    ''
    """
    import psutil

    try:
        return command_in(psutil.Process(int(pid)).cmdline())
    except (ValueError, OverflowError, psutil.Error):
        return ""


def command_in(line: Sequence[str]) -> str:
    """Find the command in the arguments of a process.

    >>> command_in(["/usr/bin/python3", "/venv/bin/rag", "serve", "--watch", "handbook"])
    'rag serve'
    >>> command_in(["python3", "notebook.py", "rag"])
    ''
    """
    for place, word in enumerate(line[:3]):  # an interpreter and perhaps one option of it come first
        name = Path(word).stem if word.lower().endswith(".exe") else Path(word).name
        if name in COMMANDS:
            following = next(iter(line[place + 1 :]), "")
            return f"{name} {following}" if following.isalpha() and following.isascii() else name
        if not (name.lower().startswith("python") or word.startswith("-")):
            break
    return ""


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # locked bytes cannot be read on Windows, so they are far behind the pid

    def try_lock(fd: int, *, shared: bool = False) -> bool:
        """As below."""
        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBRLCK if shared else msvcrt.LK_NBLCK, 1)
            if shared:
                msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(fd, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def try_lock(fd: int, *, shared: bool = False) -> bool:
        """Lock an open file until it is closed; False if another process has it. A shared lock only tests."""
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
