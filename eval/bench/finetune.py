"""Race: training an embedder, on a GPU if there is one, else our settings against the usual recipe.

With a GPU the same small job is trained on it and on the CPU: steps a second, and the held-out nDCG@10 of both, which
must be equal within noise. Without one, our settings (bfloat16 if the processor supports it, no repeated questions in a
batch) race the plain sentence-transformers recipe on the CPU: float32, batches in the given order. Each contestant
takes two steps before it is timed: a card's first steps load its libraries and choose kernels, which takes seconds.

    python -m eval.bench finetune      (about a minute)
"""

from __future__ import annotations

import gc
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from eval.bench.timing import Facts, Rows, command
from eval.comparing.significance import paired
from eval.datasets.dataset import Dataset
from eval.finetune.embedder.options import EmbedderOptions
from eval.finetune.embedder.rows import columns
from eval.finetune.embedder.train import arguments_of, datasets_of, load_base
from eval.finetune.lessons.splits import make_splits
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.finetune.training.options import option
from eval.finetune.training.request import base_folder
from eval.measure.exact_search import best
from eval.measure.metrics import score

MEASURE = "nDCG@10"
PROBE = Path(__file__).parents[1] / "finetune" / "probes" / "probe_en"
UNTIMED = 2  # steps


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    dataset: str = option(str(PROBE), "questions to train on [the packaged English probe]")
    base: str = option("minilm", "minilm, a model folder, or a hub name")
    questions: int = option(400, "maximum number of training questions")
    epochs: float = 4.0
    batch: int = option(16, "questions per step")
    rounds: int = option(1, "turns each")
    pool: int = option(500, "documents to measure nDCG over: the relevant ones of all test questions, then others")
    threads: int = option(1, "torch threads")
    seed: int = 7


@dataclass
class Turn:
    """One training: seconds of CPU time and of wall time, steps, and nDCG@10 of each held-out question."""

    cpu: float
    wall: float
    steps: int
    scores: dict[str, float]


def run(options: Options) -> tuple[Rows, Facts]:
    """Train in turns, measure, and return a row per contestant."""
    import torch

    splits = make_splits(options.dataset, seed=options.seed, limit=options.questions)
    rows = columns(_pairs(splits.train), negatives=1, seed=options.seed)
    folder = base_folder(options.base)
    gpu = torch.cuda.is_available()
    names = ("cpu", "gpu") if gpu else ("recipe", "ours")
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for name in names:
        _trained(name, folder, rows, options, steps=UNTIMED)
    for turn in range(options.rounds):
        for name in names if turn % 2 == 0 else names[::-1]:
            gc.collect()
            trainer, cpu, wall = _trained(name, folder, rows, options)
            scores = _scores(trainer.model, splits.test, options)
            turns[name].append(Turn(cpu, wall, int(trainer.state.global_step), scores))
    slow, fast = names
    base = median(turn.wall if gpu else turn.cpu for turn in turns[slow])
    lines: list[dict[str, object]] = []
    for name in names:
        last = turns[name][-1]
        seconds = median(turn.wall if gpu else turn.cpu for turn in turns[name])
        lines.append(
            {
                "contestant": name,
                "steps": last.steps,
                "steps_per_second": round(last.steps / median(turn.wall for turn in turns[name]), 3),
                "cpu_s": round(median(turn.cpu for turn in turns[name]), 2),
                "times_faster": round(base / seconds, 2),
                MEASURE: round(float(np.mean(list(last.scores.values()))), 4),
            }
        )
    difference = paired(
        np.array([[turns[fast][-1].scores[q] - value] for q, value in turns[slow][-1].scores.items()]),
    )[0]
    return lines, {
        "gpu": torch.cuda.get_device_name(0) if gpu else "none: our settings race the usual recipe on the CPU",
        "ratio_of": "wall time" if gpu else "CPU time",
        "questions": f"{len(rows['question'])} train, {len(splits.test.queries)} test",
        "difference": f"{difference.difference:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}), "
        f"p {difference.p:.3f}: {'equal within noise' if difference.p >= 0.05 else 'NOT EQUAL'}",
    }


def _pairs(train: Dataset) -> TrainingSet:
    texts = {name: passage.content for name, passage in train.corpus.items() if passage.content.strip()}
    examples = [
        Example(query, question, tuple(name for name in train.relevant(query)[:1] if name in texts))
        for query, question in train.queries.items()
    ]
    return TrainingSet([example for example in examples if example.positives], texts)


def _trained(
    name: str, folder: Path, rows: dict[str, list[Any]], options: Options, *, steps: int = -1
) -> tuple[Any, float, float]:
    """Return the trainer after its steps (-1: all of them), with their CPU and wall time in seconds.

    Only the steps themselves are timed: no loading, no dev measure, no checkpoint.
    """
    from sentence_transformers import SentenceTransformerTrainer
    from transformers.trainer_callback import PrinterCallback
    from transformers.trainer_utils import IntervalStrategy, set_seed

    from eval.finetune.embedder.losses import losses_of

    training = EmbedderOptions(
        epochs=options.epochs,
        batch=options.batch,
        seed=options.seed,
        device="cuda" if name == "gpu" else "cpu",
        dtype="float32" if name == "recipe" else "auto",
    )
    set_seed(options.seed)
    model = load_base(folder, options.base, training)
    with tempfile.TemporaryDirectory() as place:
        if name == "recipe":
            arguments, loss = _recipe(model, Path(place), training)
        else:
            arguments = arguments_of(model, {"rows": rows}, Path(place), training)
            loss = losses_of(model, {"rows": rows}, training)
        arguments.eval_strategy = arguments.save_strategy = arguments.logging_strategy = IntervalStrategy.NO
        arguments.eval_on_start = arguments.load_best_model_at_end = False
        arguments.max_steps = steps
        model.model_card_data.widget = [{}]  # otherwise the trainer makes some, with a progress bar
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=datasets_of({"rows": rows}), loss=loss
        )
        trainer.remove_callback(PrinterCallback)
        cpu, wall = time.process_time(), time.perf_counter()
        trainer.train()
        if name == "gpu":
            import torch

            torch.cuda.synchronize()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return trainer, cpu, wall


def _recipe(model: Any, place: Path, training: EmbedderOptions) -> tuple[Any, Any]:
    """Return the recipe of sentence-transformers' documentation."""
    from sentence_transformers import SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(place / "recipe"),
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch,
        learning_rate=training.lr,
        warmup_steps=training.warmup,
        use_cpu=True,
        seed=training.seed,
        disable_tqdm=True,
        report_to=[],
        dataloader_pin_memory=False,
    )
    return arguments, MultipleNegativesRankingLoss(model)


def _scores(model: Any, test: Dataset, options: Options) -> dict[str, float]:
    """Return nDCG@10 of each held-out question over the pool."""
    there = {name for name, passage in test.corpus.items() if passage.content.strip()}
    names = list(dict.fromkeys(name for query in test.queries for name in test.relevant(query) if name in there))
    rest = sorted(there - set(names))
    random.Random(options.seed).shuffle(rest)
    names += rest[: max(0, options.pool - len(names))]

    def vectors(texts: Sequence[str], kind: str) -> Any:
        return model.encode(
            list(texts),
            prompt=model.prompts.get(kind) or None,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )

    model.eval()
    documents = vectors([test.corpus[name].content for name in names], "document")
    similar = vectors(list(test.queries.values()), "query") @ documents.T
    results = {query: best(names, row, 10) for query, row in zip(test.queries, similar, strict=True)}
    return score(results, test.qrels, [MEASURE]).per_query[MEASURE]


main = command(Options, run)
