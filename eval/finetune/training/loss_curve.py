"""The loss curve: rows from the trainer's log, loss.csv, and early stopping.

Everything is read from the log, which is saved in checkpoints: a resumed training stops, and writes, as an
uninterrupted one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.ticks import Tick
from indexes.files import write_whole
from indexes.plain import Plain

DEV = "nDCG@10"


@dataclass
class Trained(Plain):
    """The result of a training: the curve (one row per log line), and the best step.

    >>> curve = [{"step": 0, "dev": 0.4}, {"step": 10, "dev": 0.5}]
    >>> trained = Trained(curve, best_step=10, best_dev=0.5, first_dev=0.4, steps=10, notes=[])
    >>> trained.as_dict()["best_step"], trained.best_dev > trained.first_dev
    (10, True)
    """

    curve: list[dict[str, float]]
    best_step: int
    best_dev: float
    first_dev: float
    steps: int
    notes: list[str]


def exhausted(history: list[dict[str, Any]], patience: int) -> bool:
    """Return whether ``patience`` evaluations have passed since the best one, according to the log.

    The base's evaluation (step 0) does not count, and each step counts once, since a resumed training evaluates its
    checkpoint again. A ``patience`` of 0 never stops.

    >>> log = [{"step": 10, "eval_nDCG@10": 0.7}, {"step": 20, "eval_nDCG@10": 0.6}, {"step": 30, "eval_nDCG@10": 0.5}]
    >>> exhausted(log, patience=2), exhausted(log, patience=3)
    (True, False)
    """
    devs = list({e["step"]: float(e[f"eval_{DEV}"]) for e in history if f"eval_{DEV}" in e and e.get("step")}.values())
    return bool(patience and devs) and len(devs) - 1 - devs.index(max(devs)) >= patience


def curve_callback(file: Path, patience: int, progress: Tick | None, *, epochs: float = 1) -> Any:
    """Return a callback that writes the curve to ``file`` whenever the trainer logs, and stops the training early.

    Args:
        epochs: number of real epochs per epoch of the trainer.
    """
    from transformers import TrainerCallback

    class Curve(TrainerCallback):
        def __init__(self) -> None:
            self.rows: list[dict[str, float]] = []

        def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.take(state)

        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.take(state)
            control.should_training_stop |= exhausted(state.log_history, patience)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if progress is not None:
                progress(state.global_step, state.max_steps)

        def take(self, state: Any) -> None:
            if not state.is_world_process_zero:
                return
            self.rows = [{**row, "epoch": round(row["epoch"] * epochs, 3)} for row in curve_rows(state.log_history)]
            write_whole(file, curve_csv(self.rows))

    return Curve()


def curve_rows(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return the trainer's log as rows {"step", "epoch", "loss"?, "dev"?}, one per step.

    >>> curve_rows([{"step": 5, "epoch": 0.5, "loss": 1.2}, {"step": 5, "epoch": 0.5, "eval_nDCG@10": 0.7}])
    [{'step': 5, 'epoch': 0.5, 'loss': 1.2, 'dev': 0.7}]
    """
    rows: dict[int, dict[str, float]] = {}
    for entry in history:
        step = int(entry.get("step", 0))
        row = rows.setdefault(step, {"step": step, "epoch": round(float(entry.get("epoch") or 0.0), 3)})
        if "loss" in entry:
            row["loss"] = float(entry["loss"])
        if f"eval_{DEV}" in entry:
            row["dev"] = float(entry[f"eval_{DEV}"])
    return [rows[step] for step in sorted(rows) if len(rows[step]) > 2]


def never_better(rows: list[dict[str, float]]) -> list[str]:
    """Return a note if training never improved on its start; its best checkpoint is used even so.

    >>> never_better([{"step": 0, "dev": 0.4}, {"step": 10, "dev": 0.5}])
    []
    >>> never_better([{"step": 0, "dev": 0.4}, {"step": 10, "dev": 0.3}])
    ['training never improved on its start on dev (nDCG@10 0.4000, then at best 0.3000); the best checkpoint is used
     even so, and the test decides']
    """
    devs = {row["step"]: row["dev"] for row in rows if "dev" in row}
    first, best = devs.pop(0, None), max(devs.values(), default=None)
    if first is None or best is None or best > first:
        return []
    return [
        f"training never improved on its start on dev ({DEV} {first:.4f}, then at best {best:.4f}); the best "
        "checkpoint is used even so, and the test decides"
    ]


def curve_csv(rows: list[dict[str, float]]) -> str:
    """Return the rows as CSV with the columns step, epoch, loss and dev measure.

    >>> print(curve_csv([{"step": 0, "epoch": 0.0, "dev": 0.4}, {"step": 10, "epoch": 0.5, "loss": 1.25}]))
    step,epoch,loss,dev nDCG@10
    0,0.0,,0.400000
    10,0.5,1.250000,
    """
    lines = [f"step,epoch,loss,dev {DEV}"]
    for row in rows:
        loss, dev = (f"{row[key]:.6f}" if key in row else "" for key in ("loss", "dev"))
        lines.append(f"{row['step']},{row['epoch']},{loss},{dev}")
    return "\n".join(lines) + "\n"
