"""Readers that do what damaged files make real ones do; the file's name says what."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from indexes.readers import read_streams
from indexes.readers.stream import DocumentStream, Part


def read(path: Path, **options: Any) -> list[DocumentStream]:
    if path.stem == "hangs":
        time.sleep(600)
    if path.stem == "eats":
        return [text_of(str(len(bytearray(1 << 40))))]
    if path.stem == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.stem == "imports":
        return [text_of(" ".join(sys.modules))]
    return read_streams(path, **options)


def text_of(text: str) -> DocumentStream:
    return DocumentStream("any", {}, iter([Part(text)]))
