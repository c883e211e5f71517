"""The one way to hold a lock between processes: a locked file that names its holder.

The system lets go of it when its process ends, however that ends, and with the last child that it was lent to. The
file holds the pid of the process that has it, and "briefly" if that will let go in a moment.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from indexes.errors import CollectionLockedError, RagWrightError

BRIEFLY = "briefly"
BRIEF_WAIT = 60.0  # seconds to wait for a process that says it holds the lock for a moment only
LOCK_WAIT = 10.0  # seconds that such a process itself waits for another one, which may be at a short search
NAMELESS = 1.0  # seconds in which a process that has just taken it writes its pid, or one that lets go does so
POLL = 0.02  # seconds between two tries


class Lock:
    """An exclusive lock, not held at first. ``with lock:`` takes and releases it.

    Args:
        path: of the file, in a folder that exists. It is never removed: that could part two waiting processes.
        what: what is locked, for messages.
        remedy: what to do if another process has it.
        close_first: what to do if this very process has it, where waiting would never end.
        states: how the message says that this process, or another, has it.
        error: raised if it cannot be had.
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
        self.brief = False  # written into the file: whoever finds the lock held waits a moment
        self.patience = 0.0  # seconds to wait for another process, whatever it says
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
        """To pass on to a child process (``pass_fds``), which then holds the lock too."""
        return () if self._fd is None else (self._fd,)

    def take(self, wait: Callable[[str], None] | None = None) -> Lock:
        """Take it, unless it is held already.

        Args:
            wait: gets one sentence if another process has it, which is then waited for, however long it takes. None:
                only a process that holds it briefly, or one in the way of a brief use, is waited for.

        Raises:
            RagWrightError: of the class ``error``: it cannot be had.
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
            # A process that lets go has emptied the file already, one that has just come has not written yet.
            if now - started >= max(patience, self.patience) and (pid or now - named >= NAMELESS):
                if wait is None:
                    raise self.refusal(pid)
                if not reported:
                    wait(f"waiting for {_named(pid)}, which builds or uses {self.what}")
                    reported = True
            time.sleep(POLL)
        return self

    def try_take(self) -> bool:
        """Whether it is held now; nobody is waited for."""
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
        """Write into the file which process has it."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.write(self._fd, f"{pid} {BRIEFLY}".encode() if brief else str(pid).encode())

    def release(self) -> None:
        """Let the next one in; releasing twice does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.ftruncate(fd, 0)
            os.close(fd)  # which unlocks it

    def refusal(self, pid: str = "") -> RagWrightError:
        """The error for a lock that process ``pid`` has; "": one that is not RagWright's."""
        if pid == str(os.getpid()):
            return self._error(f"{self.what} is {self._states[0]} this process ({pid})", remedy=self._close_first)
        return self._error(f"{self.what} is {self._states[1]} {_named(pid)}", remedy=self._remedy)

    def __enter__(self) -> Lock:
        return self.take()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        """An index that was dropped without ``close()`` locks nobody out."""
        if getattr(self, "_fd", None) is not None:
            with suppress(Exception):  # the interpreter may be ending
                self.release()

    def _leave_to_parent(self) -> None:
        """In a forked child: the parent's lock ends with the parent, not with its last child."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def holder_of(path: Path) -> str | None:
    """The pid of the process that holds a lock, "" if the file does not say; None if nobody does. Takes nothing."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if try_lock(fd, shared=True) else _written(path)[0]
    finally:
        os.close(fd)


def _written(path: Path) -> tuple[str, bool]:
    """(pid, whether it holds it briefly), as the file says."""
    pid, _, how = path.read_bytes().decode("ascii", "replace").strip().partition(" ")
    return pid, how == BRIEFLY


def _named(pid: str) -> str:
    return f"process {pid}" if pid else "another process"


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # what is locked cannot be read there, so it lies behind the pid

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
        """Lock an open file until it is closed; False if another process has it. A shared lock only looks."""
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
