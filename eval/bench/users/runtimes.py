"""Race: one question read by sentence-transformers and by each of our runtimes, with what it costs in quality.

All take turns over the same questions, one at a time, in one process. Cosines are with float32 as torch computes it;
nDCG@10 is that of dense search over whole documents, which all read the same vectors of.

    python -m eval.bench runtimes
    python -m eval.bench runtimes --data data/cisi,data/rgb_en_fact
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bench.timing import Facts, Rows, alternate, command, ratio
from eval.bench.users.peers import taken
from eval.finetune.training.options import option
from indexes.encoders.networks.questions import PROBES
from indexes.encoders.sentence_transformer import SentenceTransformerModel
from indexes.encoders.torch_runtime import cpu_computes_bfloat16
from indexes.errors import EncoderError
from indexes.settings.sections import EncoderSettings

LIBRARY = "sentence-transformers"
MEASURE = "nDCG@10"
DEPTH = 100
TIMED = 40  # questions of a turn

Read = Callable[[str], NDArray[np.float32]]


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    model: str = option("minilm", "minilm, or the folder of a sentence-transformers model")
    data: str = option("", "BEIR folders whose questions are read, with commas between them; default: a few of our own")
    documents: int = option(300, "documents of a set, those that the questions need first; 0: all")
    questions: int = option(100, "questions of a set; 0: all")
    rounds: int = option(5, "turns of each")
    threads: int = option(1, "torch threads")


def ours(folder: Path) -> dict[str, SentenceTransformerModel]:
    """Return the model by each runtime that this machine has; "auto" last."""
    formats = ["float32", *(["bfloat16"] if cpu_computes_bfloat16() else [])]
    ways = {f"{dtype}, {runtime}": (dtype, runtime) for dtype in formats for runtime in ("torch", "packed")}
    ways |= {"half": ("auto", "half"), "int8": ("auto", "int8"), "auto": ("auto", "auto")}
    found = {}
    for name, (dtype, runtime) in ways.items():
        settings: dict[str, Any] = {"device": "cpu", "dtype": dtype, "question_runtime": runtime}
        try:
            found[name] = SentenceTransformerModel(EncoderSettings(**settings), folder=folder, name=folder.name)
        except EncoderError:  # no such kernels in this build of torch
            continue
    return found


def vectors(read: Read, questions: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of the questions, read one at a time."""
    return np.stack([read(question) for question in questions])


@dataclass(slots=True)
class Searched:
    """A set: its documents' names and vectors, its questions, its judgements."""

    names: list[str]
    documents: NDArray[np.float32]
    questions: dict[str, str]
    qrels: dict[str, dict[str, int]]

    def quality(self, of_text: Mapping[str, NDArray[np.float32]]) -> float:
        """Return nDCG@10 of dense search, exact, over whole documents."""
        from eval.measure.exact_search import best
        from eval.measure.metrics import score

        rows = {query: self.documents @ of_text[text] for query, text in self.questions.items()}
        results = {query: best(self.names, row, DEPTH) for query, row in rows.items()}
        return score(results, self.qrels, [MEASURE]).mean[MEASURE]


def searched(folder: str, model: SentenceTransformerModel, options: Options) -> Searched:
    """Read a set and encode its documents."""
    from eval.datasets.load import load_dataset

    dataset = load_dataset(folder)
    documents, questions = taken(dataset, options.documents, options.questions)
    rows = model.embed(list(documents.values()), query=False).dense
    return Searched(list(documents), rows, questions, {query: dict(dataset.qrels[query]) for query in questions})


def race(options: Options) -> tuple[Rows, Facts]:
    """Run the race, and return a row per runtime."""
    from sentence_transformers import SentenceTransformer

    from indexes.encoders.packaged.minilm import MiniLM, packaged_folder

    folder = packaged_folder() if options.model == "minilm" else Path(options.model)
    models = ours(folder)
    library = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    prompt = next(iter(models.values())).prompts["query"]

    def read_by_library(text: str) -> NDArray[np.float32]:
        made: NDArray[np.float32] = library.encode([prompt + text], normalize_embeddings=True, show_progress_bar=False)[
            0
        ]
        return made

    def read(model: SentenceTransformerModel, text: str) -> NDArray[np.float32]:
        return model.embed([text], query=True).dense[0]

    contestants: dict[str, Read] = {
        LIBRARY: read_by_library,
        **{name: partial(read, one) for name, one in models.items()},
    }
    if options.model == "minilm":
        alone = MiniLM(EncoderSettings(), folder)
        contestants["float32, NumPy"] = lambda text: alone.by_numpy([text]).dense[0]
    sets = {Path(name).name: searched(name, models["auto"], options) for name in options.data.split(",") if name}
    asked = list(dict.fromkeys(text for one in sets.values() for text in one.questions.values())) or list(PROBES)
    timed = asked[:: max(1, len(asked) // TIMED)][:TIMED]
    seconds = alternate({name: partial(vectors, one, timed) for name, one in contestants.items()}, options.rounds)
    rows: list[dict[str, object]] = []
    truth = vectors(contestants["float32, torch"], asked)
    for name, one in contestants.items():
        found = vectors(one, asked)
        cosines = (found * truth).sum(axis=1)
        row: dict[str, object] = {"contestant": name}
        if name == "auto":
            row["contestant"] = f"auto: {models[name].question_runtime}"
        row |= {
            "ms": round(1000 * min(seconds[name]) / len(timed), 2),
            "times_faster": round(ratio(seconds, LIBRARY, name), 2),
            "cosine_lowest": round(float(cosines.min()), 5),
            "cosine_mean": round(float(cosines.mean()), 5),
        }
        of_text = dict(zip(asked, found, strict=True))
        row |= {place: round(one_set.quality(of_text), 4) for place, one_set in sets.items()}
        rows.append(row)
    name = Path(options.model).name
    return rows, {"model": name, "rounds": options.rounds, "questions": TIMED, "measure": MEASURE}


main = command(Options, race)
