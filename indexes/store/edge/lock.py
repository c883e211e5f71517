"""The lock of one collection's folder: one process has it open at a time, and the file says which.

``flock`` on a file that holds the pid of the process that has it, and "briefly" where it will let go in a moment. It
ends with its process, however that ends, and with the last one that it was lent to.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from indexes.errors import CollectionLockedError

BRIEFLY = "briefly"
BRIEF_WAIT = 60.0  # seconds to wait for a process that says it holds the lock for a moment only
LOCK_WAIT = 10.0  # seconds that such a process itself waits for another one, which may be at a short search


class FolderLock:
    """Not held at first. ``brief``: said in the file, so that whoever finds it held waits a moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.brief = False
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        return self._fd is not None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """To pass on to a child process, which then holds the lock too."""
        return () if self._fd is None else (self._fd,)

    def take(self) -> None:
        """Nothing to do where it is held already.

        Raises:
            CollectionLockedError: another process has it, or another client in this one.
        """
        import fcntl

        if self._fd is not None:
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
                raise self.error(holder) from error
        self._fd = fd
        self.say(os.getpid(), brief=self.brief)

    def say(self, pid: int, *, brief: bool) -> None:
        """Write into the file who has it."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{pid} {BRIEFLY}".encode() if brief else str(pid).encode(), 0)

    def release(self) -> None:
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)  # closing releases the flock
            self._fd = None

    def leave_to_parent(self) -> None:
        """In a forked child: the parent's lock ends with the parent, not with its last child."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def error(self, holder: str | None) -> CollectionLockedError:
        """``holder``: the pid that the file says, or None where it is not RagWright's lock that is held."""
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
