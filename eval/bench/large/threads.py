"""Race: questions a second of several threads, without and with searcher processes (``store.searchers``).

A question is what a server does with one whose vectors it has: both legs, the second scores, and the windows of the
best hits, on the embedded engine. Vectors and terms are drawn; without a graph every search is exact anyway.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from eval.bench.large.scale import QUERY_TERMS, fill
from eval.bench.query import draw_terms, unit_rows
from eval.bench.timing import Facts, Rows, command
from eval.finetune.training.options import option
from indexes.encoders.base import Fingerprint, SparseVector
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import StoreSettings
from indexes.store.client import open_engine
from indexes.store.collection import Collection
from indexes.store.edge.client import EdgeClient
from rag.settings import RetrievalSettings

NAME = "threads"
DIM, CHUNK = 384, 5000
ASKED, PASSAGES, PATIENCE = 50, 10, 600.0
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Options:
    points: int = option(20_000, "sentences of the collection")
    threads: str = option("1,4,16", "threads that ask at once, with commas")
    searchers: int = option(2, "store.searchers of the second run of each")
    seconds: float = option(5.0, "seconds that each row is measured for")


def run(options: Options) -> tuple[Rows, Facts]:
    rng = np.random.default_rng(1)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="ragwright-threads-") as folder:
        settings = StoreSettings(path=Path(folder), engine="edge", min_free_mb=1)
        engine = open_engine(settings)
        assert isinstance(engine, EdgeClient)  # noqa: S101 - the settings say so
        try:
            store = Collection(engine, NAME)
            sys.stderr.write(f"{options.points:,} points: storing\n")
            store.ensure(Fingerprint("drawn", "0", DIM, "cls", {}, "learned"), idf=True, settings=settings)
            sizes = (min(CHUNK, options.points - at) for at in range(0, options.points, CHUNK))
            fill(store, (unit_rows(rng, size, DIM) for size in sizes), rng, sparse=True)
            questions = [(row, draw_terms(rng, QUERY_TERMS)) for row in unit_rows(rng, ASKED, DIM)]
            counts = [int(number) for number in options.threads.split(",")]
            alone = {number: _rate(store, questions, number, options.seconds) for number in counts}
            engine.use_searchers(options.searchers)
            assert engine.searchers is not None  # noqa: S101
            until = time.monotonic() + PATIENCE
            while not engine.searchers.ready(engine.edge_folder(NAME)):
                if time.monotonic() > until:
                    raise TimeoutError("the searchers did not start")
                time.sleep(0.1)
            helped = {number: _rate(store, questions, number, options.seconds) for number in counts}
            rows = [
                {
                    "threads": number,
                    "alone/s": round(alone[number], 1),
                    f"{options.searchers} searchers/s": round(helped[number], 1),
                    "ratio": round(helped[number] / alone[number], 2),
                }
                for number in counts
            ]
            own = [psutil.Process(pid).memory_full_info() for pid in engine.searchers.pids]
        finally:
            engine.close()
    return rows, {
        "points": options.points,
        "load": round(os.getloadavg()[0], 1),
        "searcher_mb": [round(info.rss / MEGABYTE) for info in own],
        "searcher_own_mb": [round(info.uss / MEGABYTE) for info in own],
    }


def _rate(store: Collection, questions: list[tuple[np.ndarray, SparseVector]], threads: int, seconds: float) -> float:
    """Questions a second of all threads together."""
    fusing: dict[str, Any] = RetrievalSettings().fusing
    limit = RetrievalSettings().top_k
    counts, until = [0] * threads, 0.0

    def ask(number: int) -> None:
        turn = number
        while time.perf_counter() < until:
            dense, terms = questions[turn % ASKED]
            hits = store.hybrid_search(dense, terms, limit=limit, **fusing)[:PASSAGES]
            store.windows([SentenceRecord.from_payload(hit.payload) for hit in hits], RetrievalSettings().window)
            counts[number] += 1
            turn += 1

    started = time.perf_counter()
    until = started + seconds
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, range(threads)))
    return sum(counts) / (time.perf_counter() - started)


main = command(Options, run)
