"""What a run of fine-tuning gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.finetune.lessons.mining import MiningReport
from eval.finetune.lessons.splits import Splits
from eval.finetune.proof.proof import Proof
from eval.finetune.training.loss_curve import Trained
from indexes.plain import Plain


@dataclass
class Tuned(Plain):
    """What a fine-tuning run gave.

    Args:
        model: folder of the tuned model.
        proof: the tables; ``proof.better`` is the verdict.
        splits: what it was trained, stopped and proved on.
        trained: the loss curve; of a soup, that of its first training.
        mining: statistics of the negatives.
        notes: what a reader must know, one sentence each.
        settings_lines: lines for rag.toml that use the model.
        seconds: step -> seconds.
        merge: the curve of weights (``weights.curve.Curve``), where there was a choice.
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

    def as_dict(self) -> dict[str, Any]:
        found, trained = super().as_dict(), self.trained
        best = {"step": trained.best_step, "dev": trained.best_dev, "base": trained.first_dev}
        del found["trained"]
        return found | {"curve": trained.curve, "best": best, "rag_toml": found.pop("settings_lines")}
