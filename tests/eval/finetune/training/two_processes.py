"""Two processes under torchrun's agent: an embedder's training, killed, then continued, then a reranker's.

python two_processes.py PLACE OUT: PLACE holds the data and the models. The agent is started twice, as by torchrun, but
its processes are forks of this one: torch and the trainers are imported once, not by each of them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import sentence_transformers.cross_encoder  # noqa: F401  before the processes are forked
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

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


def work(place: Path, out: Path, kill_at: int) -> None:
    if follows():
        take_part(out, {embedder.KIND: embedder.train, reranker.KIND: reranker.train_reranker})
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


def launch(place: Path, out: Path, kill_at: int) -> int:
    """Run the agent and its two processes, as ``torchrun --standalone --nproc-per-node 2``; return its exit status."""
    agent = os.fork()
    if agent:
        return os.waitstatus_to_exitcode(os.waitpid(agent, 0)[1])
    status = 1
    try:
        shape = {"min_nodes": 1, "max_nodes": 1, "nproc_per_node": 2, "max_restarts": 0, "start_method": "fork"}
        config = LaunchConfig(**shape, rdzv_backend="c10d", rdzv_endpoint="localhost:0", run_id=out.name)
        elastic_launch(config, work)(place, out, kill_at)
        status = 0
    except Exception:  # noqa: BLE001 - whatever it is, this child ends here
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main(place: Path, out: Path) -> None:
    killed = launch(place, out, 5)
    left = sorted(path.name for path in (out / "checkpoints").glob("checkpoint-*"))
    (out / "killed.json").write_text(json.dumps({"status": killed, "left": left, "model": (out / "model").exists()}))
    sys.exit(launch(place, out, 0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
