"""Options of ``finetune_sparse``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.finetune.embedder.options import UNIT, Loss, Unit
from eval.finetune.training.options import (
    Training,
    accumulate_option,
    margin_option,
    merge_option,
    option,
    patience_option,
    skip_option,
    soup_option,
    text_tokens_option,
)

if TYPE_CHECKING:
    from eval.finetune.lessons.mining import MiningOptions

NOTHING = "nothing: no sparse encoder was trained in a measured run"
LIBRARY = "sentence-transformers' default; not measured here"


@dataclass(frozen=True)
class SparseOptions(Training):
    """How a sparse encoder is trained; each field's ``option`` has its help.

    The weights of both regularisers rise from 0 over the first third of the steps, as in sentence-transformers.

    >>> options = SparseOptions(negatives=3)
    >>> options.listed(with_teacher=False), options.listed(with_teacher=True), options.mining().negatives
    (3, 7, 3)
    """

    epochs: float = option(2, "Number of epochs.", above=0, everyday=True, measured=NOTHING)
    batch: int = option(16, "Questions per step.", low=2, everyday=True, measured=NOTHING)
    accumulate: int = accumulate_option(NOTHING)
    lr: float = option(2e-5, "Learning rate.", above=0, everyday=True, measured=NOTHING)
    document_flops: float = option(
        3e-5,
        "Weight of the FLOPS regulariser of texts: the larger, the fewer terms a text has.",
        low=0,
        everyday=True,
        measured=LIBRARY,
    )
    query_flops: float = option(
        5e-5,
        "Weight of the FLOPS regulariser of questions: the larger, the fewer terms a question has.",
        low=0,
        everyday=True,
        measured=LIBRARY,
    )
    unit: Unit = option("mixed", UNIT, measured=NOTHING)
    negatives: int = option(1, "Mined negatives per row.", low=0, high=32, everyday=True, measured=NOTHING)
    margin: float | None = margin_option(0.05, " turns the guard off.", NOTHING)
    skip: int = skip_option(NOTHING)
    pairs: int = option(
        0, "Number of pairs to add from the documents alone: title and text.", low=0, metavar="N", measured=NOTHING
    )
    temperature: float = option(
        2.0, "With a teacher: temperature of both sides of the KL divergence.", above=0, measured=LIBRARY
    )
    teacher_list: int = option(
        8, "With a teacher: texts per question.", flag="--list", low=2, high=64, measured=NOTHING
    )
    max_tokens: int | None = text_tokens_option(NOTHING)
    evaluations: int = option(1, "Evaluations on dev (and checkpoints) per epoch.", low=1, measured=NOTHING)
    patience: int = patience_option(NOTHING)
    pool: int = option(400, "Number of texts to evaluate dev questions on.", low=10, measured=NOTHING)
    merge: float | str | None = merge_option(NOTHING)
    soup: int = soup_option(NOTHING)
    loss: Loss = "kl"  # with a teacher: one row per positive and negative, and the teacher's raw scores

    def listed(self, *, with_teacher: bool) -> int:
        """Return the number of negatives per row, as ``EmbedderOptions.listed``."""
        return self.teacher_list - 1 if with_teacher else self.negatives

    def mining(self, cross_encoder: object = None, *, with_teacher: bool = False) -> MiningOptions:
        from eval.finetune.lessons.mining import MiningOptions

        kept = max(self.negatives, self.listed(with_teacher=with_teacher))
        return MiningOptions(skip=self.skip, negatives=kept, margin=self.margin, unit=self.unit, seed=self.seed)
