"""Ingest a folder with vectors that no model made, and write the CPU milliseconds of everything else, as JSON. Run by
path, in a process whose PYTHONPATH is the tree to be measured: nothing of this room is imported.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

DIM = 384  # MiniLM's
ROWS = 4096


class NoModel:
    """A ``DenseModel`` whose vectors are drawn once; ``spent`` is the CPU time of handing them out."""

    model = weights = pooling = "none"
    dim, max_tokens = DIM, 512

    def __init__(self) -> None:
        self.prompts = {"query": "", "document": ""}
        self.spent, self._at = 0.0, 0
        drawn = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(np.float32)
        self._rows = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    def embed(self, texts: Any, *, query: bool) -> Any:
        from indexes.encoders.base import Encoded

        start = time.thread_time()
        rows = self._rows[(self._at + np.arange(len(texts))) % ROWS]
        self._at += len(texts)
        self.spent += time.thread_time() - start
        return Encoded(rows)

    def count_tokens(self, texts: Any) -> list[int]:
        return [len(text) // 4 for text in texts]


def ingest(folder: str, store: str) -> dict[str, float]:
    """Ingest a folder, and return CPU milliseconds by part."""
    from indexes import build_index
    from indexes.encoders.bm25 import Bm25
    from indexes.encoders.paired import PairedEncoder
    from indexes.settings.sections import IndexSettings, StoreSettings

    model = NoModel()
    own, others = _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
    settings = IndexSettings(store=StoreSettings(path=Path(store)))
    with build_index(folder, settings=settings, encoder=PairedEncoder(model, Bm25())) as index:
        count = index.count
    own = _cpu(resource.RUSAGE_SELF) - own - model.spent
    others = _cpu(resource.RUSAGE_CHILDREN) - others
    each = 1000 / count
    return {"sentences": count, "ms": each * (own + others), "own_ms": each * own, "other_processes_ms": each * others}


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def main(folder: str, place: str) -> None:
    """Ingest a first file uncounted, then the folder, and print the result."""
    first = Path(place) / "first"
    first.mkdir()
    (first / "one.txt").write_text("The first file imports what is needed. It is not counted.", encoding="utf-8")
    ingest(str(first), os.path.join(place, "warm"))  # noqa: PTH118
    sys.stdout.write(json.dumps(ingest(folder, os.path.join(place, "store"))) + "\n")  # noqa: PTH118


if __name__ == "__main__":
    main(*sys.argv[1:])
