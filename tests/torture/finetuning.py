"""Fine-tuning killed, stopped and interrupted again and again: it ends with the weights of a run left alone."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.torture.children import WAYS, child, kill_after, main, must


def campaign(draw: random.Random, ends: float, folder: Path) -> str:
    # Imported here: a child is forked before anything of torch has run.
    from tests.eval.finetune.embedder.test_embedder import run_training

    place, log = folder, folder / "log"

    def prepare() -> None:
        from tests.eval.finetune.embedder.harbour import tiny_encoder, write_harbour

        write_harbour(place / "harbour")
        tiny_encoder(place / "tiny")

    must(prepare, "making the data", log)
    started = time.monotonic()
    must(lambda: run_training(place, place / "whole"), "the run left alone", log)
    took = time.monotonic() - started
    kills = rounds = 0
    while not rounds or (time.monotonic() < ends - 2 * took and rounds < 20):  # one at least, however slow the machine
        rounds += 1
        out = place / f"killed{rounds}"
        for _ in range(draw.randrange(1, 4)):
            process = child(lambda out=out: run_training(place, out), log)
            kills += kill_after(process, draw.uniform(0.2, 1.0) * took, draw.choice(WAYS)) is None
        must(lambda out=out: run_training(place, out), f"round {rounds}, going on", log)

        def same(out: Path = out) -> None:
            from safetensors.torch import load_file

            one, other = (load_file(place / name / "model/model.safetensors") for name in ("whole", out.name))
            assert all((one[name] == other[name]).all() for name in one), "other weights"
            assert (place / "whole/loss.csv").read_text() == (out / "loss.csv").read_text(), "another loss curve"

        must(same, f"round {rounds}, the weights", log)
    return f"{kills} kills in {rounds} trainings: the same weights and loss curves each time"


if __name__ == "__main__":
    main(campaign)
