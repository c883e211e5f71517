"""One process at a time at an index of the cache, or in the folder of a fine-tuning run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from indexes.errors import CollectionLockedError, RagWrightError


class ProcessLock:
    """An exclusive lock, taken when made. The system lets go of it when its process ends, however that happens.

    Args:
        path: the lock's file, in a folder that is there. It is never removed: that could part two waiting processes.
        what: what is locked, for messages.
        say: gets one sentence when there is somebody to wait for. None: nobody is waited for.
        error: raised where it cannot be had.

    Raises:
        RagWrightError: of the class ``error``: another process has it and is not waited for, or this very process has
            it already, so that waiting would never end.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        *,
        say: Callable[[str], None] | None = None,
        error: type[RagWrightError] = CollectionLockedError,
    ) -> None:
        import fcntl

        self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
                if holder == str(os.getpid()):
                    raise error(f"{what} is open in this process", remedy="close it before opening it again") from None
                if say is None:
                    remedy = "wait until it has ended, or stop it"
                    raise error(f"{what} is open in process {holder}", remedy=remedy) from None
                say(f"waiting for process {holder}, which builds or uses {what}")
                fcntl.flock(self._fd, fcntl.LOCK_EX)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, str(os.getpid()).encode(), 0)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let the next one in; once is enough."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __enter__(self) -> ProcessLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
