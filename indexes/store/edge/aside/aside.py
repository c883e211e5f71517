"""A copy of a collection's files that is being optimised beside it."""

from __future__ import annotations

import os
import secrets
import subprocess
from contextlib import suppress
from pathlib import Path

from indexes.errors import StoreError
from indexes.store.edge.aside.changes import Changes

PREFIX = (
    "shard.aside-"  # of its folder; each has a name of its own, for a process that outlives its parent writes there
)


class Aside:
    """One building of a collection.

    Args:
        shard: the collection's files.
    """

    def __init__(self, shard: Path) -> None:
        self.place = shard.with_name(f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}")
        self.changes: Changes | None = None  # from the moment on at which the copy is whole
        self._what = shard.parent
        self._stopped = False
        self._child: subprocess.Popen[str] | None = None

    def watch(self, child: subprocess.Popen[str]) -> None:
        """Take note of the process that works on it."""
        self._child = child
        if self._stopped:
            child.kill()

    def stop(self) -> None:
        """Let it come to nothing; from any thread."""
        self._stopped = True
        if self._child is not None:
            with suppress(OSError):
                self._child.kill()

    def go_on(self) -> None:
        """Raises StoreError where it was stopped."""
        if self._stopped:
            raise StoreError(
                f"building the graph of {self._what} was stopped, for the collection was closed, deleted or rewritten "
                "meanwhile",
                remedy="run it again: rag optimize",
            )
