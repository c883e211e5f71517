"""The result of a fine-tuning run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.finetune.lessons.mining import MiningReport
from eval.finetune.lessons.splits import Splits
from eval.finetune.proof.proof import Proof
from eval.finetune.training.loss_curve import Trained
from eval.measure.runs import Run
from indexes.plain import Plain

HIT = "Hit@5"


@dataclass
class TunedModel(Plain):
    """The result of a fine-tuning run.

    Args:
        model: folder of the tuned model.
        proof: the tables; ``proof.better`` is the verdict.
        splits: the questions for training, early stopping and proof.
        trained: the loss curve; for a soup, that of its first training.
        mining: statistics on the negatives.
        notes: what a reader must know, one sentence each.
        settings_lines: lines for rag.toml that use the model.
        seconds: step -> seconds.
        merge: the curve over weights (``weights.curve.Curve``), if the weight was chosen.
        hits: "base" and "tuned" -> share of the held-out questions with an answer among the first five (embedders).
    """

    model: Path
    proof: Proof
    splits: Splits
    trained: Trained
    mining: MiningReport
    notes: list[str] = field(default_factory=list)
    settings_lines: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    merge: Any = None
    hits: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        found, trained = super().as_dict(), self.trained
        best = {"step": trained.best_step, "dev": trained.best_dev, "base": trained.first_dev}
        del found["trained"]
        return found | {"curve": trained.curve, "best": best, "rag_toml": found.pop("settings_lines")}


def hit_shares(runs: Mapping[str, Run], test: Dataset) -> dict[str, float]:
    """Return name of a run -> share of the test questions with a relevant document among the first five.

    >>> test = Dataset("mine", {}, {"q1": "When?", "q2": "Where?"}, {"q1": {"d1": 1}, "q2": {"d2": 1}})
    >>> hit_shares({"base": Run("base", {"q1": [("d1", 0.9)], "q2": [("d1", 0.9)]})}, test)
    {'base': 0.5}
    """
    from eval.measure.metrics import score

    return {name: round(score(run.results, test.qrels, [HIT]).mean[HIT], 4) for name, run in runs.items()}
