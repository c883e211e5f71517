"""Readers that do what damaged files make real ones do; the file's name says what."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from llama_index.core.schema import Document

from indexes.readers import read_file as real


def read_file(path: Path, **options: Any) -> list[Document]:
    if path.stem == "hangs":
        time.sleep(600)
    if path.stem == "eats":
        return [Document(text=str(len(bytearray(1 << 40))))]
    if path.stem == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.stem == "imports":
        return [Document(text=" ".join(name for name in sys.modules if name.startswith("llama_index.core.")))]
    return real(path, **options)
