"""What torchrun starts twice in a test: an embedder's training, killed or not, then a reranker's.

python -m torch.distributed.run ... two_processes.py PLACE OUT KILL_AT: PLACE holds the data and the models.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from eval.finetune.embedder import train as embedder
from eval.finetune.reranker import train as reranker
from eval.finetune.reranker.options import RerankerOptions
from eval.finetune.reranker.rows import CandidateList
from eval.finetune.training.together import end, follows, take_part
from eval.finetune.training.trainer import TrainingFolder
from tests.eval.finetune.embedder.test_embedder import QUICK, data

LISTS = RerankerOptions(
    epochs=1, batch=2, negatives=1, lr=1e-3, evaluations=2, patience=0, dtype="float32", loss="listnet"
)


def main(place: Path, out: Path, kill_at: int) -> None:
    if follows():
        take_part(out, {part.KIND: part.take_part for part in (embedder, reranker)})
        return
    (out / "run.json").write_text("{}")
    rows, pool = data(place / "harbour")
    steps: list[int] = []

    def tick(step: int, _: int) -> None:
        steps.append(step)
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    options = replace(QUICK, batch=4, accumulate=1)
    trained = embedder.train(
        place / "tiny", "tiny", rows, pool, TrainingFolder(out, out / "model"), options, progress=tick
    )
    texts = [[f"the {ship} came", f"the {ship} left"] for ship in ("Beacon", "Heron", "Ibis", "Eider")]
    lists = {"question": ["came"] * 8, "texts": texts * 2, "label": [[10.0, 0.0]] * 8}
    dev = [CandidateList("1", "came", ["a", "b"], texts[0], [0.5, 0.4], {"a": 1})]
    ranked = reranker.train_reranker(
        reranker.start_model(place / "tiny", "tiny", out / "start", LISTS),
        "tiny",
        lists,
        dev,
        TrainingFolder(out, out / "reranker", "reranker.csv", "reranker-checkpoints"),
        LISTS,
    )
    (out / "result.txt").write_text(f"{steps[0]} {trained.steps} {ranked.steps} | {'; '.join(trained.notes)}")
    end(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
