"""Readings of words: what each adds to an index and a question, and what the sparse leg finds without it.

Each reading (``indexes.text.words``) is left out once, in documents and questions, and the datasets of --data are
searched exactly by BM25 windows alone, with the default windows, shares and weights and without a model. Entries are
those stored in an index; visited entries are those that a question's terms touch, a measure of time without noise.
``p`` is for the difference in nDCG@10 to all readings together, Holm-corrected per dataset.

    python -m eval.bench words --data data/cisi,data/rgb_zh_fact
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from eval.bench.timing import Facts, Rows, command
from eval.finetune.training.options import option
from indexes.encoders import bm25
from indexes.encoders.base import Encoded, SparseVector
from indexes.encoders.vectors import EMPTY_SPARSE
from indexes.encoders.window_pooling import WindowPooler
from indexes.nodes.record import SentenceRecord, place_of
from indexes.settings.sections import IndexSettings
from indexes.text import words
from indexes.text.characters import WITHOUT_BLANKS
from indexes.text.invisible import searched

ALL = "all readings"
NEVER = re.compile(r"(?!)")
LETTERS = rf"[^\W_{WITHOUT_BLANKS}]"
QUESTIONS = 64  # scored in one batch
DEPTH = 100  # ranked documents per question


def _same(text: str) -> str:
    return text


def _nothing(*_: object) -> list[Any]:
    return []


# Replacements that leave out a reading: (module, name, stand-in).
LEFT_OUT: dict[str, tuple[tuple[Any, str, Any], ...]] = {
    ALL: (),
    "numbers without separators": ((words, "_GROUPED", NEVER), (words, "_SPACED", NEVER), (words, "_BLANKS", NEVER)),
    "1.2 million, 125万": ((words, "_scaled", _nothing),),
    "Chinese numerals": ((words, "_ZH_NUMBER", NEVER), (bm25, "counted", _nothing)),
    "dates": ((words, "_dates", _nothing),),
    "codes as one term": ((words, "MAX_JOINED", 0),),
    "units and camel case apart": ((words, "_LETTER_OR_DIGIT", NEVER), (words, "_CAMEL", NEVER)),
    "C++, C#, .NET": ((bm25, "TOKEN", re.compile(rf"([{WITHOUT_BLANKS}]+)|({LETTERS}+(?:[-‐–._/'’&+]{LETTERS}+)*)")),),
    "IT in capitals": ((bm25, "CAPITALS", NEVER),),
    "accents folded": ((words, "_FOLDED", NEVER),),
    "full-width and compatible forms": ((words, "compatible", _same),),
    "simplified beside traditional": ((words, "simplified", _same),),
    "parts of Chinese compounds": ((bm25, "parts_of", _nothing),),
}


@contextmanager
def left_out(reading: str) -> Iterator[None]:
    """Leave a reading out, in this process."""
    with ExitStack() as stack:
        for module, name, instead in LEFT_OUT[reading]:
            stack.enter_context(patch.object(module, name, instead))
        yield


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    data: str = option("", "BEIR folders, separated by commas")


def run(options: Options) -> tuple[Rows, Facts]:
    """Run the race, and return a row per dataset and reading."""
    from eval.datasets.load import load_dataset

    if not options.data:
        raise SystemExit("name BEIR folders: python -m eval.bench words --data data/cisi,data/rgb_zh_fact")
    rows: list[dict[str, object]] = []
    for folder in options.data.split(","):
        rows += compared(load_dataset(folder))
    return rows, {}


def compared(dataset: Any) -> list[dict[str, object]]:
    """Return a row per reading, after that of all readings."""
    from eval.comparing.significance import holm, randomisation_test
    from eval.measure.metrics import score

    records = _records(dataset)
    qrels = {query: judged for query, judged in dataset.qrels.items() if query in dataset.queries}
    rows: list[dict[str, object]] = []
    values = []
    for reading in LEFT_OUT:
        with left_out(reading):
            found, entries, visited = search(records, {query: dataset.queries[query] for query in qrels})
        scores = score(found, qrels, ["nDCG@10"])
        values.append(np.array(list(scores.per_query["nDCG@10"].values())))
        rows.append(
            {
                "collection": dataset.name,
                "without": reading if rows else "(nothing)",
                "entries_%": entries,
                "visited_%": visited,
                "nDCG@10": round(scores.mean["nDCG@10"], 4),
            }
        )
    differences = np.stack([other - values[0] for other in values[1:]], axis=1)
    for row, p in zip(rows[1:], holm(randomisation_test(differences)), strict=True):
        row["p"] = round(p, 4)
    for name in ("entries_%", "visited_%"):
        whole: Any = rows[0][name]
        for row in rows:
            part: Any = row[name]
            row[name] = round(100 * part / max(whole, 1), 2)
    return rows


def search(
    records: list[SentenceRecord], questions: dict[str, str]
) -> tuple[dict[str, list[tuple[str, float]]], int, int]:
    """Return what BM25 windows find for each question, the number of stored entries, and of those visited."""
    from scipy.sparse import csr_matrix

    model = bm25.Bm25()
    nodes = _nodes(model, records)
    asked = model.encode_queries([searched(text) for text in questions.values()])
    known = np.unique(np.concatenate([row.indices for row in (*nodes, *asked)]))

    def matrix(rows: list[SparseVector]) -> Any:
        columns = np.searchsorted(known, np.concatenate([row.indices for row in rows]))
        starts = np.cumsum([0, *map(len, rows)])
        return csr_matrix((np.concatenate([row.values for row in rows]), columns, starts), (len(rows), len(known)))

    stored, terms = matrix(nodes), matrix(asked)
    frequency = np.bincount(stored.indices, minlength=len(known))
    weight = np.log((len(nodes) - frequency + 0.5) / (frequency + 0.5) + 1)  # as Qdrant computes the IDF
    firsts = [i for i, record in enumerate(records) if i == 0 or record.doc_id != records[i - 1].doc_id]
    documents = [records[i].doc_id for i in firsts]
    found: dict[str, list[tuple[str, float]]] = {}
    for start in range(0, len(asked), QUESTIONS):
        scores = np.asarray((terms[start : start + QUESTIONS].multiply(weight).tocsr() @ stored.T).todense())
        best = np.maximum.reduceat(scores, firsts, axis=1)  # a document scores as its best sentence
        for query, row in zip(list(questions)[start : start + QUESTIONS], best, strict=True):
            chosen = np.argsort(-row)[:DEPTH]
            found[query] = [(documents[i], float(row[i])) for i in chosen if row[i] > 0]
    return found, int(stored.nnz), int(frequency[terms.indices].sum())


def _records(dataset: Any) -> list[SentenceRecord]:
    from eval.measure.indexing import documents_of
    from indexes.nodes import build_splitter

    split = build_splitter(IndexSettings().split)
    return [record for document in documents_of(dataset) for record in split(document)]


def _nodes(model: bm25.Bm25, records: list[SentenceRecord]) -> list[SparseVector]:
    """Return the stored vectors: windows, and the words of each position with their share."""
    settings = IndexSettings()
    counts = model.encode_documents([searched(record.text) for record in records])
    named = [searched(place_of(record)) for record in records]
    texts = list(dict.fromkeys(filter(None, named)))
    places = dict(zip(texts, model.encode_documents(texts), strict=True))
    pooler = WindowPooler.of(model, settings)
    points = pooler.push(
        records, Encoded(np.zeros((len(records), 1), np.float32), counts), [places.get(text) for text in named]
    )
    return [point.sparse or EMPTY_SPARSE for point in [*points, *pooler.finish()]]


main = command(Options, run)
