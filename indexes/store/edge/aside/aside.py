"""A copy of a collection's files that is optimised beside it."""

from __future__ import annotations

import os
import secrets
import subprocess
from contextlib import suppress
from pathlib import Path

from indexes.errors import StoreError
from indexes.store.edge.aside.changes import Changes

PREFIX = "shard.aside-"  # of its folder; names are unique, as a process that outlives its parent may still write there


class Aside:
    """One copy of a collection under construction.

    >>> aside = Aside(Path("guide/shard"))
    >>> aside.place.name.startswith("shard.aside-"), aside.changes
    (True, None)
    >>> aside.stop()
    >>> aside.go_on()
    Traceback (most recent call last):
        ...
    indexes.errors.StoreError: building the graph of guide was stopped because the collection was closed, deleted or
    rewritten meanwhile; run it again: rag optimize

    Args:
        shard: folder of the collection's files.
    """

    def __init__(self, shard: Path) -> None:
        self.place = shard.with_name(f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}")
        self.changes: Changes | None = None  # set once the copy is complete
        self._what = shard.parent
        self._stopped = False
        self._child: subprocess.Popen[str] | None = None

    def watch(self, child: subprocess.Popen[str]) -> None:
        """Remember the process that works on the copy."""
        self._child = child
        if self._stopped:
            child.kill()

    def stop(self) -> None:
        """Cancel the work. Thread-safe."""
        self._stopped = True
        if self._child is not None:
            with suppress(OSError):
                self._child.kill()

    def go_on(self) -> None:
        """Raise StoreError if the work was cancelled."""
        if self._stopped:
            raise StoreError(
                f"building the graph of {self._what} was stopped because the collection was closed, deleted or "
                "rewritten meanwhile",
                remedy="run it again: rag optimize",
            )
