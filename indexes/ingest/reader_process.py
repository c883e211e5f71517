"""Read files in a child process, so that a reader that hangs, exhausts memory or crashes costs only its file.

One worker serves a whole run: starting it takes about a second, passing it a file well under a millisecond.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from indexes import errors
from indexes.errors import RagWrightError, ReaderError
from indexes.ingest.reader_main import TEXT
from indexes.ingest.walk_files import FoundFile
from indexes.readers import OnSkip
from indexes.readers.outline import Section
from indexes.readers.stream import DocumentStream, Part
from indexes.settings.sections import IngestSettings, ReadSettings

START_SECONDS = 120.0  # for imports on a busy machine; the time limit of files starts after them


class ReaderWorker:
    """Reads files in a process that is started for the first file, and again after it was killed.

    Args:
        read: settings of reading.
        settings: limits of time and memory per file.
        reader: "module:function", called as ``read_parts(path, settings=read, on_skip=...)``.
    """

    def __init__(
        self,
        read: ReadSettings,
        settings: IngestSettings,
        *,
        reader: str = "indexes.readers.plain.long_text:read_parts",
    ) -> None:
        self._read, self._settings, self._reader = read, settings, reader
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._ready = False
        self._left = 0.0  # seconds left for the current file
        self.restarts = 0

    def streams(
        self, found: FoundFile, on_skip: OnSkip = lambda name, reason: None
    ) -> Generator[DocumentStream, None, None]:
        """Yield the documents of a file, as from ``readers.read_file``, each in parts. Close it when done.

        The rest of a document is skipped when the next is requested.

        Args:
            on_skip: called with each archive member that is not read, and the reason.

        Raises:
            ReaderError: the reader's error; or it took too long, needed too much memory, or crashed, and the worker
                was killed. The parts of a document raise it too.
        """
        pipe = self._started()
        done = False
        self._left = self._settings.file_timeout
        try:
            with self._crashes(found):
                pipe.send_bytes(json.dumps({"path": found.path, "source": found.source}).encode())
            while "end" not in (message := self._message(pipe, found)):
                if "skip" in message:
                    on_skip(message["skip"], message["reason"])
                    continue
                parts = self._parts(pipe, found)
                yield DocumentStream(message["document"], message["metadata"], parts)
                for _ in parts:
                    pass
            done = True
            if message["full"]:
                self.close()
        finally:
            if not done and self._pipe is not None:
                self._settle(found)

    def _parts(self, pipe: Connection, found: FoundFile) -> Iterator[Part]:
        sections: list[Section] = []
        while True:
            raw = self._frame(pipe, found)
            if raw.startswith(TEXT):
                yield Part(raw[len(TEXT) :].decode("utf-8", "surrogatepass"), sections)
                sections = []
                continue
            message = _checked(json.loads(raw), found)
            if "document_end" in message:
                return
            sections = [
                Section(start, end, tuple(heading), *rest) for start, end, heading, *rest in message["sections"]
            ]

    def _message(self, pipe: Connection, found: FoundFile) -> dict[str, Any]:
        return _checked(json.loads(self._frame(pipe, found)), found)

    def _frame(self, pipe: Connection, found: FoundFile) -> bytes:
        with self._crashes(found):
            raw, self._left = self._receive(pipe, found, self._left)
        return raw

    @contextlib.contextmanager
    def _crashes(self, found: FoundFile) -> Iterator[None]:
        try:
            yield
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise self._crashed(found) from error

    def _settle(self, found: FoundFile) -> None:
        """After an error or an early stop, read to the end of this file, or replace the worker."""
        with contextlib.suppress(ReaderError, EOFError, OSError, ValueError):
            assert self._pipe is not None  # noqa: S101
            left = 0.5
            while True:
                raw, left = self._receive(self._pipe, found, left)
                if raw.startswith(b'{"end"'):
                    if not json.loads(raw)["full"]:
                        return
                    break
        self.close()

    def _receive(self, pipe: Connection, found: FoundFile, left: float) -> tuple[bytes, float]:
        """Return the next frame and the remaining time; only waiting for the reader counts."""
        started = time.monotonic()
        if not pipe.poll(max(left, 0.0)):
            self.close()
            raise ReaderError(
                f"'{found.source}' took longer than {self._settings.file_timeout:g} s to read and was given up",
                remedy="leave it out, or raise ingest.file_timeout",
            )
        raw = pipe.recv_bytes()
        return raw, left - (time.monotonic() - started)

    def _crashed(self, found: FoundFile) -> ReaderError:
        process = self._process
        code: int | None = None
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(5)
        self.close()
        how = f"exit status {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                how = signal.Signals(-code).name
        return ReaderError(
            f"'{found.source}' crashed its reader ({how})", remedy="open and save it again, or leave it out"
        )

    def launch(self) -> None:
        """Start the process without waiting, so that its imports run while the model is loaded."""
        if self._pipe is None:
            self._pipe = self._launched()

    def _started(self) -> Connection:
        if self._ready and self._pipe is not None and self._process is not None and self._process.poll() is None:
            return self._pipe
        if self._ready:
            self.close()
        self.launch()
        pipe = self._pipe
        assert pipe is not None  # noqa: S101
        try:
            if pipe.poll(START_SECONDS) and pipe.recv_bytes():
                self._ready = True
                return pipe
        except (EOFError, OSError):
            pass
        self.close()
        raise RagWrightError(
            "the reader's process does not start", remedy=f"run: {sys.executable} -c 'import indexes.readers'"
        )

    def _launched(self) -> Connection:
        ours, theirs = Pipe()
        arguments = (
            theirs.fileno(),
            self._reader,
            self._read.model_dump_json(),
            self._settings.file_memory_mb,
            os.getpid(),
        )
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from indexes.ingest.reader_main import main; main(*{arguments!r})"
        )
        try:
            # A new interpreter, not multiprocessing, which would run the user's script again.
            self._process = _kept(
                lambda: subprocess.Popen(
                    [sys.executable, "-c", code],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
        except OSError as error:
            ours.close()
            raise RagWrightError(
                f"the reader's process cannot be started ({error})", remedy="check memory and process limits"
            ) from error
        finally:
            theirs.close()
        self.restarts += 1
        return ours

    def close(self) -> None:
        """End the process, even if it hangs."""
        pipe, self._pipe, self._ready = self._pipe, None, False
        process, self._process = self._process, None
        if pipe is not None:
            pipe.close()
        if process is not None:
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> ReaderWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _kept(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a process in a thread that waits for its end: Linux ends it with the thread that started it, and the thread
    that reads ends with each round of a run.
    """
    started: Future[subprocess.Popen[bytes]] = Future()

    def run() -> None:
        try:
            process = start()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for the start
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()

    threading.Thread(target=run, name="ragwright-reader", daemon=True).start()
    return started.result()


def _checked(message: dict[str, Any], found: FoundFile) -> dict[str, Any]:
    """Return a message unless it is an error, which is raised."""
    if "memory" in message:
        raise ReaderError(
            f"'{found.source}' needs more than {message['memory']} MB of memory to be read",
            remedy="split it, or raise ingest.file_memory_mb",
        )
    if "error" in message:
        raise _error(message)
    return message


def _error(message: dict[str, Any]) -> RagWrightError:
    kind = getattr(errors, str(message["error"]), ReaderError)
    if not (isinstance(kind, type) and issubclass(kind, RagWrightError)):
        kind = ReaderError
    return kind(str(message["what"]), remedy=str(message["remedy"]))
