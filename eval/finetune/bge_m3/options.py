"""Options of ``finetune_bge_m3``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.finetune.embedder.options import TEMPERATURE, UNIT, Unit
from eval.finetune.training.options import Training, margin_option, merge_option, option, skip_option

if TYPE_CHECKING:
    from eval.finetune.lessons.mining import MiningOptions

NOTHING = "nothing: BGE-M3 was not available"


@dataclass(frozen=True)
class M3Options(Training):
    """How FlagEmbedding trains BGE-M3; each field's ``option`` has its help.

    The texts of the other questions in a step are negatives too.

    >>> options = M3Options(epochs=2, batch=4)
    >>> options.steps(rows=10), options.mining().negatives
    ((3, 6), 7)
    """

    epochs: float = option(2, "Number of epochs.", above=0, everyday=True, measured=NOTHING)
    batch: int = option(4, "Questions per step.", low=2, everyday=True, measured=NOTHING)
    lr: float = option(1e-5, "Learning rate.", above=0, everyday=True, measured=NOTHING)
    group: int = option(
        4, "Texts per question: its positive and mined negatives.", low=2, high=64, everyday=True, measured=NOTHING
    )
    unit: Unit = option("mixed", UNIT, measured=NOTHING)
    margin: float | None = margin_option(0.05, " turns the guard off.", NOTHING)
    skip: int = skip_option(NOTHING)
    temperature: float = option(1.0, TEMPERATURE, above=0, measured=NOTHING)
    self_distill: bool = option(
        True,
        "Turn off self-distillation, in which the sum of the three scores teaches each of them.",
        flag="--no-self-distill",
        measured=NOTHING,
    )
    heads_only: bool = option(
        False, "Train only the sparse and the multi-vector head, not the network.", measured=NOTHING
    )
    question_tokens: int = option(64, "Maximum tokens per question in training.", low=8, measured=NOTHING)
    max_tokens: int = option(256, "Maximum tokens per text in training.", low=8, everyday=True, measured=NOTHING)
    evaluations: int = option(1, "Checkpoints per epoch; the best on dev is kept.", low=1, measured=NOTHING)
    pool: int = option(400, "Number of texts to evaluate dev questions on.", low=10, measured=NOTHING)
    merge: float | str | None = merge_option(NOTHING)
    loss_temperature: float = 0.02  # temperature of similarities in the loss

    def mining(self, cross_encoder: object = None, *, with_teacher: bool = False) -> MiningOptions:
        """Return the options of mining."""
        from eval.finetune.lessons.mining import MiningOptions

        return MiningOptions(
            skip=self.skip, negatives=max(7, self.group - 1), margin=self.margin, unit=self.unit, seed=self.seed
        )

    def steps(self, rows: int) -> tuple[int, int]:
        """Return (steps per epoch, steps in total), as counted by the trainer."""
        each = max(1, -(-rows // self.batch))
        return each, max(1, math.ceil(each * self.epochs))
