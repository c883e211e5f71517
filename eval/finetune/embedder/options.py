"""What a run of finetune_embedder is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eval.finetune.embedder.train import Trained, TrainingOptions
from eval.finetune.lessons.mining import MiningOptions, MiningReport

if TYPE_CHECKING:
    from eval.finetune.lessons.splits import Splits
    from eval.finetune.proof.proof import Proof
    from eval.finetune.weights.curve import Curve

Leg = Literal["documents", "sentences", "hybrid"]
Tick = Callable[[int, int], None]
Stage = Callable[[str], AbstractContextManager[Tick | None]]  # a progress bar for a stage of this name


@dataclass(frozen=True)
class EmbedderOptions:
    """What a run does besides training.

    Args:
        training, mining: see there. ``negatives`` of them go into each row.
        negatives: mined negatives in a row.
        teacher: specifications (see ``lessons.teachers``) whose ranking is learnt too; () trains on labels alone.
        teacher_list: texts in a distilled list, the positive included.
        pairs: question and answer pairs made of the documents alone, added to the labelled ones.
        pool: texts that checkpoints are measured on.
        leg: what the proof measures: whole documents by exact search, the dense leg of the index (sentences), or the
            hybrid pipeline.
        merge: None, "auto", or the share of the tuned weights.
        soup: trainings, with seeds one after the other, whose weights are averaged (Wortsman et al., arXiv 2203.05482).
    """

    training: TrainingOptions = field(default_factory=TrainingOptions)
    mining: MiningOptions = field(default_factory=lambda: MiningOptions(unit="mixed"))
    negatives: int = 1
    teacher: tuple[str, ...] = ()
    teacher_list: int = 8
    pairs: int = 0
    pool: int = 400
    leg: Leg = "documents"
    merge: float | str | None = None
    soup: int = 1

    def as_dict(self) -> dict[str, Any]:
        mining = {key: getattr(self.mining, key) for key in ("depth", "skip", "negatives", "margin", "unit", "seed")}
        judge = self.mining.cross_encoder
        names = ("negatives", "teacher", "teacher_list", "pairs", "pool", "leg", "soup")
        return {
            **{name: getattr(self, name) for name in names},
            "merge": self.merge,
            "training": self.training.as_dict(),
            "mining": mining | {"cross_encoder": getattr(judge, "fingerprint", None)},
        }


@dataclass
class Tuned:
    """What a fine-tuning run gave.

    Args:
        model: folder of the tuned model.
        proof: the tables; ``proof.better`` is the verdict.
        splits: what it was trained, stopped and proved on.
        trained: the loss curve; of a soup, that of its first training.
        mining: statistics of the negatives.
        merge: the curve of weights, where there was a choice.
        notes: what a reader must know, one sentence each.
        settings_lines: lines for rag.toml that use the model.
        seconds: step -> seconds.
    """

    model: Path
    proof: Proof
    splits: Splits
    trained: Trained
    mining: MiningReport
    merge: Curve | None = None
    notes: list[str] = field(default_factory=list)
    settings_lines: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": str(self.model),
            "proof": self.proof.as_dict(),
            "splits": self.splits.as_dict(),
            "mining": self.mining.as_dict(),
            "curve": self.trained.curve,
            "best": {"step": self.trained.best_step, "dev": self.trained.best_dev, "base": self.trained.first_dev},
            "merge": self.merge.as_dict() if self.merge is not None else None,
            "notes": self.notes,
            "rag_toml": self.settings_lines,
            "seconds": self.seconds,
        }
