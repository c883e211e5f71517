"""Race: questions a second of several threads, without and with searcher processes (``store.searchers``).

A question is what a server does with one whose vectors it has: both legs, the second scores, and the windows of the
best hits, on the embedded engine. Vectors and terms are drawn; without a graph every search is exact anyway.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from eval.bench.query import draw_terms
from eval.bench.timing import circumstances, command, report
from eval.finetune.training.options import option
from indexes.encoders.base import Fingerprint, SparseVector
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import StoreSettings
from indexes.store.client import open_engine
from indexes.store.collection import Collection
from indexes.store.edge.client import EdgeClient
from rag.settings import RetrievalSettings

NAME = "threads"
TERMS, QUERY_TERMS, DOCUMENT = 40, 8, 50
ASKED, PASSAGES, PATIENCE = 50, 10, 600.0
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Options:
    points: int = option(20_000, "sentences of the collection")
    threads: str = option("1,4,16", "threads that ask at once, with commas")
    searchers: int = option(2, "store.searchers of the second run of each")
    seconds: float = option(5.0, "seconds that each row is measured for")
    as_json: bool = False


def run(options: Options) -> None:
    rng = np.random.default_rng(1)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="ragwright-threads-") as folder:
        settings = StoreSettings(path=Path(folder), engine="edge", min_free_mb=1)
        engine = open_engine(settings)
        assert isinstance(engine, EdgeClient)  # noqa: S101 - the settings say so
        try:
            store = Collection(engine, NAME)
            _fill(store, settings, rng, options.points)
            questions = [(row, draw_terms(rng, QUERY_TERMS)) for row in _unit(rng, ASKED)]
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
    facts = circumstances(
        points=options.points,
        load=round(os.getloadavg()[0], 1),
        searcher_mb=[round(info.rss / MEGABYTE) for info in own],
        searcher_own_mb=[round(info.uss / MEGABYTE) for info in own],
    )
    report("threads", rows, as_json=options.as_json, facts=facts)


def _unit(rng: np.random.Generator, count: int) -> np.ndarray:
    rows = rng.standard_normal((count, 384), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _fill(store: Collection, settings: StoreSettings, rng: np.random.Generator, points: int) -> None:
    sys.stderr.write(f"{points:,} points: storing\n")
    store.ensure(Fingerprint("drawn", "0", 384, "cls", {}, "learned"), idf=True, settings=settings)
    for at in range(0, points, 5000):
        numbers = range(at, min(at + 5000, points))
        records = [SentenceRecord(f"doc{i // DOCUMENT}", i % DOCUMENT, f"Sentence {i} of the race.") for i in numbers]
        store.put(records, _unit(rng, len(numbers)), [draw_terms(rng, TERMS) for _ in numbers])
        store.flush()


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
    asking = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


main = command(Options, run)
