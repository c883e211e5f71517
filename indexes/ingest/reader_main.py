"""The reader's process: receives paths and returns documents in parts, as JSON over a pipe (not pickle: files are
foreign).

Started by ``indexes.ingest.reader_process``. It dies with its parent, ignores Ctrl-C (the parent handles it), and its
memory is limited.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from dataclasses import astuple
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

TEXT = b"="  # first byte of a frame of text; all others are JSON
BUSY_SHARE = 2  # a worker with more than limit / BUSY_SHARE of memory after a file is replaced by a new one


def main(descriptor: int, reader: str, settings_json: str, memory_mb: int, parent: int) -> None:
    """Serve requests until the parent closes the pipe. ``reader`` is "module:function"."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent)
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for libraries that print
    from indexes.settings.sections import ReadSettings

    module, _, name = reader.partition(":")
    read_file = getattr(import_module(module), name)  # a heavy import: before the memory limit, which is for files

    settings = ReadSettings.model_validate_json(settings_json)
    base = _limit_memory(memory_mb)
    with Connection(descriptor) as pipe, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _send(pipe, {"ready": True})
        while True:
            request = json.loads(pipe.recv_bytes())
            _serve(pipe, read_file, settings, request, memory_mb)
            full = bool(base) and _data_kib() - base > (memory_mb << 10) // BUSY_SHARE
            _send(pipe, {"end": True, "full": full})
            if full:
                return


def _serve(pipe: Connection, read_file: Any, settings: Any, request: dict[str, Any], memory_mb: int) -> None:
    from indexes.errors import RagWrightError

    path, source = request["path"], request["source"]

    def skipped(name: str, reason: str) -> None:
        _send(pipe, {"skip": _stored(name, path, source), "reason": reason})

    try:
        for stream in read_file(Path(path), settings=settings, on_skip=skipped):
            metadata = {**stream.metadata, "source": _stored(stream.metadata.get("source"), path, source)}
            _send(pipe, {"document": _stored(stream.doc_id, path, source), "metadata": metadata})
            for part in stream.parts:
                if part.sections:
                    _send(pipe, {"sections": [astuple(section) for section in part.sections]})
                pipe.send_bytes(TEXT + part.text.encode("utf-8", "surrogatepass"))
            _send(pipe, {"document_end": True})
    except MemoryError:
        _send(pipe, {"memory": memory_mb})
    except RagWrightError as error:
        if isinstance(error.__cause__, MemoryError):
            _send(pipe, {"memory": memory_mb})
        else:
            _send(pipe, {"error": type(error).__name__, "what": error.what, "remedy": error.remedy})


def _stored(name: Any, path: str, source: str) -> str:
    """Return the stored form of a name that is not UTF-8; a member's name after it stays."""
    return str(name or source).replace(Path(path).as_posix(), source, 1) if path != source else str(name or source)


def _send(pipe: Connection, message: dict[str, Any]) -> None:
    from indexes.store.payload import plain_json

    pipe.send_bytes(json.dumps(message, default=plain_json).encode())


def _die_with(parent: int) -> None:
    """Ask to be killed when the parent ends, even while a reader hangs (Linux only)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:  # it died before that
            os._exit(0)


def _limit_memory(megabytes: int) -> int:
    """Limit the memory that the worker may use in addition; return its current memory in KiB, 0 if unknown."""
    import resource

    base = _data_kib()
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, ((base + (megabytes << 10)) << 10,) * 2)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return base


def _data_kib() -> int:
    with contextlib.suppress(OSError, StopIteration), Path("/proc/self/status").open(encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmData:")).split()[1])
    return 0
