"""Race against the alternatives: txtai, LanceDB, Chroma and LlamaIndex's recipe, on a BEIR folder.

All use the packaged MiniLM; each builds, starts and answers in separate processes, in turns. CPU time is that of
the whole process: ``ingest_s`` and ``cold_s`` (start, open, one question) with imports and model, ``question_ms`` the
median of a warm one, its encoding included.

    pip install 'ragwright[bench]'
    python -m eval.bench peers --data data/scifact --documents 500
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.bench.timing import Facts, Rows, command
from eval.bench.users.contestants import CONTESTANTS
from eval.bench.users.trees import HERE, run
from eval.datasets.dataset import Dataset
from eval.finetune.training.options import option
from eval.measure.metrics import score

PACKAGES = {"llama-index": "llama-index-core", "ragwright": "ragwright"}
MODULES = {"llama-index": "llama_index.embeddings.huggingface", "ragwright": "rag"}
MEASURE = "nDCG@10"


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    data: str = option("", "a BEIR folder")
    documents: int = option(500, "number of documents, those needed by the questions first; 0: all")
    questions: int = option(50, "number of questions; 0: all")
    rounds: int = option(1, "turns per contestant of building and starting")
    only: str = option("", "contestants, separated by commas")


def taken(dataset: Dataset, most_documents: int, most_questions: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return the documents and the questions of a race; 0: all."""
    questions = {
        name: text for name, text in list(dataset.queries.items())[: most_questions or None] if dataset.relevant(name)
    }
    needed = dict.fromkeys(name for query in questions for name in dataset.relevant(query) if name in dataset.corpus)
    names = list(needed | dict.fromkeys(dataset.corpus))
    kept = names[: max(len(needed), most_documents)] if most_documents else names
    return {name: dataset.corpus[name].content for name in kept}, questions


def installed(names: list[str]) -> tuple[list[str], list[str]]:
    """Return the contestants whose packages are installed, and the others."""

    def there(name: str) -> bool:
        try:
            return importlib.util.find_spec(MODULES.get(name, name)) is not None
        except ModuleNotFoundError:
            return False

    return [name for name in names if there(name)], [name for name in names if not there(name)]


def race(options: Options, folder: Path, dataset: Dataset) -> list[dict[str, object]]:
    """Run the race in ``folder``, and return a row per contestant."""
    from indexes.encoders.packaged.minilm import packaged_folder

    documents, questions = taken(dataset, options.documents, options.questions)
    names, missing = installed([name for name in options.only.split(",") if name] or list(CONTESTANTS))
    data = {"model": str(packaged_folder()), "documents": documents, "questions": questions}
    spent: dict[str, dict[str, list[float]]] = {name: {"build": [], "cold": []} for name in names}
    answered: dict[str, dict[str, Any]] = {}
    offline = {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
    for turn in range(options.rounds):
        for name in names if turn % 2 == 0 else names[::-1]:
            place = folder / f"{name}-{turn}"
            place.mkdir()
            (place / "data.json").write_text(json.dumps(data), encoding="utf-8")
            for action in ("build", "cold", "ask"):
                sys.stderr.write(f"{name}: {action}, round {turn + 1} of {options.rounds}\n")
                done = run(HERE, ["-m", "eval.bench.users.contestants", name, action, str(place)], offline)
                if action == "ask":
                    answered[name] = json.loads(done.printed.rstrip().rpartition("\n")[2])
                else:
                    spent[name][action].append(done.cpu)
    qrels = {query: dict(dataset.qrels[query]) for query in questions}
    rows: list[dict[str, object]] = []
    for name in names:
        scores = score(answered[name]["results"], qrels, [MEASURE])
        rows.append(
            {
                "contestant": name,
                "version": importlib.metadata.version(PACKAGES.get(name, name)),
                "ingest_s": round(min(spent[name]["build"]), 1),
                "question_ms": round(statistics.median(answered[name]["ms"]), 1),
                "cold_s": round(min(spent[name]["cold"]), 2),
                MEASURE: round(scores.mean[MEASURE], 4),
            }
        )
    rows += [{"contestant": name, "version": "not installed: pip install 'ragwright[bench]'"} for name in missing]
    return rows


def run_race(options: Options) -> tuple[Rows, Facts]:
    """Run the race in a temporary folder."""
    from eval.datasets.load import load_dataset

    if not options.data:
        raise SystemExit("name a BEIR folder: python -m eval.bench peers --data data/scifact")
    unknown = [name for name in options.only.split(",") if name and name not in CONTESTANTS]
    if unknown:
        raise SystemExit(f"unknown contestant {unknown[0]!r}; there are {', '.join(CONTESTANTS)}")
    dataset = load_dataset(options.data)
    documents, questions = taken(dataset, options.documents, options.questions)
    with tempfile.TemporaryDirectory(prefix="ragwright-peers-") as made:
        rows = race(options, Path(made), dataset)
    return rows, {"data": Path(options.data).name, "documents": len(documents), "questions": len(questions)}


main = command(Options, run_race)
