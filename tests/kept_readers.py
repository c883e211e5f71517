"""Keep the readers' processes from one build of a test to the next: starting one takes most of a small build's time.

They are the real ones, with the real limits. One is kept if it has read its last file to the end, and used again for
equal settings. A process started with ``subprocess`` or ``os.fork`` starts its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexes.ingest.reader_process import ReaderWorker

MODULE = "indexes.ingest.reader_process"
KEPT = 3  # idle processes


class KeptReaders:
    """Stands between ``ReaderWorker`` and its process. ``fresh``: a test asked for processes of its own."""

    def __init__(self) -> None:
        self.fresh = False
        self._idle: dict[str, tuple[subprocess.Popen[bytes], Connection]] = {}
        self._pid = os.getpid()
        self._patched = False

    def patch(self) -> None:
        """Patch the class once some test has imported it; a test without a build does not pay for the import."""
        if self._patched or MODULE not in sys.modules:
            return
        self._patched = True
        worker: Any = sys.modules[MODULE].ReaderWorker
        launch, started, streams, close = worker.launch, worker._started, worker.streams, worker.close

        def launch_kept(reader: ReaderWorker) -> None:
            if reader._pipe is None and self._ours():
                kept = self._idle.pop(key(reader), None)
                if kept and kept[0].poll() is None:
                    reader._process, reader._pipe = kept
                    reader._ready = True
                    return
            launch(reader)

        def started_kept(reader: ReaderWorker) -> Connection:
            reader.launch()
            return started(reader)  # type: ignore[no-any-return]

        def streams_noted(reader: Any, *arguments: Any, **options: Any) -> Generator[Any, None, None]:
            reader._whole = False
            yield from streams(reader, *arguments, **options)
            reader._whole = True

        def close_kept(reader: Any) -> None:
            process, pipe = reader._process, reader._pipe
            if self._ours() and reader._ready and getattr(reader, "_whole", False) and process.poll() is None:
                reader._process, reader._pipe, reader._ready = None, None, False
                self._keep(key(reader), process, pipe)
            else:
                close(reader)

        patches: dict[str, Callable[..., Any]] = {
            "launch": launch_kept, "_started": started_kept, "streams": streams_noted, "close": close_kept,
        }  # fmt: skip
        for name, method in patches.items():
            setattr(worker, name, method)

    def _ours(self) -> bool:
        return not self.fresh and os.getpid() == self._pid

    def _keep(self, name: str, process: subprocess.Popen[bytes], pipe: Connection) -> None:
        if name in self._idle:
            end(process, pipe)
            return
        self._idle[name] = process, pipe
        while len(self._idle) > KEPT:
            end(*self._idle.pop(next(iter(self._idle))))

    def clear(self) -> None:
        """End the idle processes."""
        while self._idle:
            end(*self._idle.popitem()[1])


def key(reader: ReaderWorker) -> str:
    """Return what a process depends on: its arguments, and the environment that readers look into."""
    read = reader._read
    looked = [os.environ.get(name) for name in ("PATH", "TESSDATA_PREFIX", read.password_env) if name]
    return repr((reader._reader, read.model_dump_json(), reader._settings.file_memory_mb, looked, sys.path))


def end(process: subprocess.Popen[bytes], pipe: Connection) -> None:
    pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)
    process.kill()
    process.wait()
