"""Race: hybrid search without the model, against the usual recipe and plain arithmetic.

Contestants, on the same random collection (dense unit vectors; about 60 Zipf-distributed terms per node out of 30,000):

- ``ragwright``: the default path on the embedded engine, ``Collection.hybrid_search`` with the default settings: both
  legs with payloads, the second search in which each leg scores what the other found, and the fusion.
- ``ragwright, one search``: the same without the second search.
- ``local mode``: the two legs as requested by the stock LlamaIndex store from ``QdrantClient(path=)``, without a second
  search, and the same fusion.
- ``numpy + scipy``: exact dense matrix product, sparse matrix product, ``argpartition``, payloads from a list, and
  the same fusion of candidates scored by both legs: the arithmetic that any exact engine needs.

Targets at 100,000 nodes, top 50: at least 200 times faster than local mode, at most 1.3 times numpy + scipy.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eval.bench.timing import Facts, Rows, alternate, command, ratio
from eval.finetune.training.options import option
from indexes.encoders.base import Fingerprint, SparseVector
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import StoreSettings
from indexes.store.client import open_engine
from indexes.store.collection import Collection
from indexes.store.fusion import fuse
from indexes.store.upkeep.graph import optimize
from rag.settings import RetrievalSettings

VOCABULARY = 30_000
TERMS = 60  # per node (a window)
QUERY_TERMS = 8
DOCUMENT = 50  # sentences per document
CHUNK = 2000
NAME = "race"
QUERIES = 20  # per turn of a fast contestant
RETRIEVAL = RetrievalSettings()
Ranking = list[tuple[str, float]]


class Corpus:
    """Random nodes and questions, the same for every contestant and every run."""

    def __init__(self, points: int, dim: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.dense = unit_rows(rng, points, dim)
        self.sparse = [draw_terms(rng, TERMS) for _ in range(points)]
        self.records = [_record(i) for i in range(points)]
        self.questions = unit_rows(rng, QUERIES, dim)
        self.terms = [draw_terms(rng, QUERY_TERMS) for _ in range(QUERIES)]


def unit_rows(rng: np.random.Generator, rows: int, dim: int) -> NDArray[np.float32]:
    """Draw unit vectors of any direction."""
    made = rng.standard_normal((rows, dim), dtype=np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def draw_terms(rng: np.random.Generator, count: int) -> SparseVector:
    """Draw distinct terms with a Zipf distribution of exponent 1.1, like words."""
    drawn = np.unique(rng.zipf(1.1, size=4 * count))
    indices = np.sort(rng.permutation(drawn[drawn <= VOCABULARY])[:count]).astype(np.uint32)
    return SparseVector(indices, rng.uniform(0.1, 2.0, indices.size).astype(np.float32))


def _record(i: int) -> SentenceRecord:
    text = f"Sentence {i} of the race is as long as sentences usually are, which is about a hundred characters."
    metadata = {"source": f"doc{i // DOCUMENT}.md", "title": "Race", "heading": "Part > Chapter"}
    return SentenceRecord(f"doc{i // DOCUMENT}", i % DOCUMENT, text, metadata=metadata)


def build(store: Collection, corpus: Corpus, settings: StoreSettings, name: str) -> None:
    """Write the corpus with our own code (PointStructs for local mode, arrays for the engine)."""
    fingerprint = Fingerprint("random", "0", corpus.dense.shape[1], "cls", {}, "learned")
    store.ensure(fingerprint, idf=False, settings=settings)
    # disable=None: no bar if stderr is not a terminal
    for start in tqdm(range(0, len(corpus.records), CHUNK), desc=f"building {name}", unit_scale=CHUNK, disable=None):
        part = slice(start, start + CHUNK)
        store.put(corpus.records[part], corpus.dense[part], corpus.sparse[part])
        store.flush()


def joined(dense: Ranking, sparse: Ranking) -> Ranking:
    """Return the fusion with the default weights."""
    return fuse(dense, sparse, dense_weight=RETRIEVAL.dense_weight, sparse_weight=RETRIEVAL.sparse_weight)


def searcher(
    store: Collection, corpus: Corpus, top_k: int, score_both: bool = True
) -> Callable[[int], tuple[Ranking, dict[str, Any]]]:
    """Return our hybrid search, called with the number of a question."""

    def search(i: int) -> tuple[Ranking, dict[str, Any]]:
        fusing = {**RETRIEVAL.fusing, "score_both": score_both}
        hits = store.hybrid_search(corpus.questions[i], corpus.terms[i], limit=top_k, **fusing)
        return [(hit.id, hit.score) for hit in hits[:top_k]], {hit.id: hit.payload for hit in hits}

    return search


def stock_searcher(store: Collection, corpus: Corpus, top_k: int) -> Callable[[int], tuple[Ranking, dict[str, Any]]]:
    """Return a search with the two requests of LlamaIndex's QdrantVectorStore in hybrid mode, in one batch."""
    from qdrant_client.http import models

    def search(i: int) -> tuple[Ranking, dict[str, Any]]:
        terms = corpus.terms[i]
        answers = store.engine.client.query_batch_points(
            NAME,
            requests=[
                models.QueryRequest(query=corpus.questions[i].tolist(), using="dense", limit=top_k, with_payload=True),
                models.QueryRequest(
                    query=models.SparseVector(indices=terms.indices.tolist(), values=terms.values.tolist()),
                    using="sparse",
                    limit=top_k,
                    with_payload=True,
                ),
            ],
        )
        legs = [[(str(point.id), point.score) for point in answer.points] for answer in answers]
        payloads = {str(point.id): point.payload for answer in answers for point in answer.points}
        return joined(legs[0], legs[1])[:top_k], payloads

    return search


def exact_searcher(corpus: Corpus, top_k: int) -> Callable[[int], tuple[Ranking, dict[str, Any]]]:
    """Return an exact search with NumPy and SciPy, called with the number of a question."""
    from scipy.sparse import csr_matrix

    ids = [record.id for record in corpus.records]
    payloads = {record.id: record.to_payload() for record in corpus.records}
    lengths = [len(row) for row in corpus.sparse]
    matrix = csr_matrix(
        (
            np.concatenate([row.values for row in corpus.sparse]),
            np.concatenate([row.indices for row in corpus.sparse]).astype(np.int32),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(len(ids), VOCABULARY + 1),
    )
    columns = matrix.tocsc()  # a question touches a few terms: their columns, not all rows

    def best(scores: NDArray[np.float32], positive: bool) -> list[int]:
        k = min(top_k, scores.size)
        chosen = np.argpartition(scores, -k)[-k:]
        return [j for j in chosen.tolist() if not positive or scores[j] > 0]

    def search(i: int) -> tuple[Ranking, dict[str, Any]]:
        terms = corpus.terms[i]
        dense = corpus.dense @ corpus.questions[i]
        sparse = np.asarray(columns[:, terms.indices] @ terms.values)
        found = list(dict.fromkeys([*best(dense, positive=False), *best(sparse, positive=True)]))
        legs = [[(ids[j], float(scores[j])) for j in found] for scores in (dense, sparse)]
        return joined(legs[0], legs[1])[:top_k], {ids[j]: payloads[ids[j]] for j in found}

    return search


def agreement(one: Callable[[int], Any], other: Callable[[int], Any]) -> float:
    """Return the mean share of the top k that two contestants have in common."""
    shares = []
    for i in range(QUERIES):
        a, b = ({identity for identity, _ in search(i)[0]} for search in (one, other))
        shares.append(len(a & b) / max(1, len(b)))
    return statistics.mean(shares)


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    points: int = option(100_000, "number of nodes in the collection")
    dim: int = option(384, "dense dimension")
    top_k: int = 50
    rounds: int = option(5, "turns per contestant")
    no_local: bool = option(False, "leave out local mode, which takes minutes to build")
    optimize: bool = option(False, "include the optimised collection (HNSW), which takes minutes")
    turbo8: bool = option(False, "include store.quantization = 'turbo8'")


def run(options: Options) -> tuple[Rows, Facts]:
    """Run the race in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="ragwright-race-") as folder:
        return race(options, Path(folder))


def race(options: Options, folder: Path) -> tuple[Rows, Facts]:
    """Run the race with stores in ``folder``, and return a row per contestant."""
    corpus = Corpus(options.points, options.dim)
    engines: list[tuple[str, StoreSettings]] = [("ragwright", StoreSettings(path=folder / "ours", engine="edge"))]
    if options.turbo8:
        settings = StoreSettings(path=folder / "turbo8", engine="edge", quantization="turbo8")
        engines.append(("ragwright, turbo8", settings))
    if options.optimize:
        engines.append(("ragwright, optimised", StoreSettings(path=folder / "optimised", engine="edge")))
    if not options.no_local:
        engines.append(("local mode", StoreSettings(path=folder / "local", engine="local")))
    stores: list[Collection] = []
    searches: dict[str, Callable[[int], Any]] = {}
    built: dict[str, float] = {}
    for name, settings in engines:
        store = Collection(open_engine(settings), NAME)
        stores.append(store)
        start = time.process_time()
        build(store, corpus, settings, name)
        built[name] = options.points / (time.process_time() - start)
        if "optimised" in name:
            sys.stderr.write("building the graph: minutes\n")
            optimize(store, settings, force=True)
        make = stock_searcher if name == "local mode" else searcher
        searches[name] = make(store, corpus, options.top_k)
        if name == "ragwright":
            searches["ragwright, one search"] = searcher(store, corpus, options.top_k, score_both=False)
    searches["numpy + scipy"] = exact_searcher(corpus, options.top_k)
    per_turn = {name: 1 if name == "local mode" else QUERIES for name in searches}
    wall: dict[str, list[float]] = {name: [] for name in searches}

    def turn(name: str) -> Callable[[], None]:
        def run() -> None:
            start = time.perf_counter()
            for i in range(per_turn[name]):
                searches[name](i)
            wall[name].append((time.perf_counter() - start) / per_turn[name])

        return run

    cpu = alternate({name: turn(name) for name in searches}, options.rounds)
    cpu = {name: [seconds / per_turn[name] for seconds in turns] for name, turns in cpu.items()}
    rows: list[dict[str, object]] = []
    for name, search in searches.items():
        row: dict[str, object] = {
            "contestant": name,
            "cpu_ms": round(1000 * statistics.median(cpu[name]), 3),
            "wall_ms": round(1000 * statistics.median(wall[name][1:]), 3),
            "cpu_against_ragwright": round(ratio(cpu, name, "ragwright"), 2),
            "same_top_k_as_exact": round(agreement(search, searches["numpy + scipy"]), 4),
        }
        if name in built:
            row["points_per_cpu_second_in"] = round(built[name])
        rows.append(row)
    for store in stores:
        store.engine.close()
    return rows, {name: getattr(options, name) for name in ("points", "dim", "top_k", "rounds")}


main = command(Options, run)
