"""Fine-tuning killed, stopped and interrupted again and again: every kind of model ends as if left alone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.torture.children import WAYS, child, kill_after, main, must

ROUNDS = 12
PATIENCE = 600.0  # seconds: a training takes ten on a quiet machine, and minutes on one that ten programs share
AT_WORK = "still running"  # what is said of a trainer that outlived the call that began it


@dataclass(frozen=True)
class Kind:
    """One fine-tuning: what it needs, the training into a folder, and what of two trainings must agree."""

    name: str
    prepare: Callable[[Path], object]
    train: Callable[[Path, Path], object]
    same: Callable[[Path, Path], None]


# Imports stand in the functions: a child is forked before anything of torch has run.


def _same_model(one: Path, other: Path) -> None:
    from safetensors.torch import load_file

    weights = [load_file(out / "model/model.safetensors") for out in (one, other)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0]), "other weights"
    assert (one / "loss.csv").read_text() == (other / "loss.csv").read_text(), "another loss curve"


def _embedder_data(place: Path) -> None:
    from tests.eval.finetune.embedder.harbour import tiny_encoder, write_harbour

    write_harbour(place / "harbour")
    tiny_encoder(place / "tiny")


def _embedder(place: Path, out: Path) -> object:
    from tests.eval.finetune.embedder.test_embedder import run_training

    return run_training(place, out)


def _sparse_data(place: Path) -> None:
    from indexes.encoders.loading.probe import UNLIKE
    from tests.eval.finetune.embedder.harbour import documents, questions, write_harbour
    from tests.tiny_models import tiny_splade

    write_harbour(place / "harbour")
    texts = [f"{title} {text}" for title, text in documents().values()] + [text for text, _ in questions().values()]
    tiny_splade(place / "tiny", [*texts, *UNLIKE])


def _sparse(place: Path, out: Path) -> object:
    from tests.eval.finetune.sparse.test_sparse import run_training

    return run_training(place, out)


def _reranker_data(place: Path) -> None:
    from eval.finetune.reranker.options import RerankerOptions
    from eval.finetune.reranker.train import start_model
    from tests.eval.finetune.harbour import tiny_bert

    start_model(tiny_bert(place / "bert"), "bert", place / "start", RerankerOptions(dtype="float32"))


def _reranker(place: Path, out: Path) -> object:
    from tests.eval.finetune.reranker.test_losses import train_on_notes

    out.mkdir(exist_ok=True)
    return train_on_notes(place / "start", out, "bce", epochs=2)


def _m3_data(place: Path) -> None:
    from eval.bench.checkpoints import bge_m3_checkpoint
    from eval.finetune.bge_m3 import flag_embedding
    from eval.finetune.lessons.training_set import Example, TrainingSet
    from tests.eval.finetune.harbour import ANSWER, documents, questions

    texts = {name: f"{title} {text}" for name, (title, text) in documents().items()}
    asked = [(q, text, note) for q, (text, note) in questions().items() if note.endswith(ANSWER)][:16]
    bge_m3_checkpoint(place / "base", list(texts.values()) * 3, hidden=32, heads=2, vocabulary=300, positions=130)
    names = list(texts)
    examples = [Example(q, text, (note,), tuple(name for name in names if name != note)[:2]) for q, text, note in asked]
    flag_embedding.write_rows(TrainingSet(examples, texts), place / "rows.jsonl", scores=None, seed=7)


def _m3(place: Path, out: Path) -> object:
    from eval.finetune.bge_m3.process import train
    from indexes.errors import EncoderError
    from tests.eval.finetune.bge_m3.test_bge_m3 import QUICK

    out.mkdir(exist_ok=True)
    rows = place / "rows.jsonl"
    ends = time.monotonic() + 100
    while True:
        try:
            return train(place / "base", rows, out, QUICK, count=len(rows.read_text().splitlines()), distil=False)
        except EncoderError as error:  # the trainer of a call that was killed: it ends by itself
            if AT_WORK not in str(error) or time.monotonic() > ends:
                raise
            time.sleep(0.5)


def _same_steps(one: Path, other: Path) -> None:
    """FlagEmbedding draws its negatives anew when it goes on, so steps are compared, and that the last one is whole."""
    from eval.finetune.bge_m3.flag_embedding import finished, step_of

    ends = [finished(out / "checkpoints")[-1] for out in (one, other)]
    assert step_of(ends[0]) == step_of(ends[1]), "another number of steps"
    files = [sorted(path.name for path in end.iterdir()) for end in ends]
    assert files[0] == files[1], "a checkpoint of other files"
    sizes: list[Any] = [(end / "sparse_linear.pt").stat().st_size for end in ends]
    assert sizes[0] == sizes[1], "a head of another size"


KINDS = (
    Kind("embedder", _embedder_data, _embedder, _same_model),
    Kind("reranker", _reranker_data, _reranker, _same_model),
    Kind("bge-m3", _m3_data, _m3, _same_steps),
    Kind("sparse", _sparse_data, _sparse, _same_model),
)


def campaign(draw: random.Random, ends: float, folder: Path) -> str:
    log = folder / "log"
    took: dict[str, float] = {}
    kills: dict[str, list[str]] = {kind.name: [] for kind in KINDS}

    def run(work: Callable[[], object], what: str) -> None:
        must(work, what, log, PATIENCE)

    for kind in KINDS:
        place = folder / kind.name
        place.mkdir()
        run(lambda kind=kind, place=place: kind.prepare(place), f"{kind.name}: the data")
        started = time.monotonic()
        run(lambda kind=kind, place=place: kind.train(place, place / "whole"), f"{kind.name}: left alone")
        took[kind.name] = time.monotonic() - started
    ways = [*WAYS]
    draw.shuffle(ways)
    rounds = 0
    # Each kind and each way of ending comes once at least, however slow the machine.
    while rounds < len(KINDS) or (time.monotonic() < ends - 2 * max(took.values()) and rounds < ROUNDS):
        kind, way = KINDS[rounds % len(KINDS)], ways[(rounds + rounds // len(KINDS)) % len(ways)]
        place, seconds = folder / kind.name, draw.uniform(0.3, 0.9) * took[kind.name]
        for attempt in range(4):  # sooner each time, where the training had ended before the signal came
            out = place / f"killed{rounds}-{attempt}"
            process = child(lambda kind=kind, place=place, out=out: kind.train(place, out), log)
            if kill_after(process, seconds, way, PATIENCE) is None:
                kills[kind.name].append(way.name)
                break
            seconds *= 0.6
        what = f"{kind.name}, round {rounds}, {way.name}"
        run(lambda kind=kind, place=place, out=out: kind.train(place, out), f"{what}: going on")
        run(lambda kind=kind, place=place, out=out: kind.same(place / "whole", out), f"{what}: the result")
        rounds += 1
    said = "; ".join(f"{name}: {', '.join(found) or 'none in time'}" for name, found in kills.items())
    return f"{rounds} trainings ended by signals ({said}), each then ends as one that was left alone"


if __name__ == "__main__":
    main(campaign)
