"""What a run of finetune_embedder is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from eval.finetune.training.options import (
    Training,
    accumulate_option,
    margin_option,
    merge_option,
    option,
    skip_option,
    soup_option,
)
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from eval.finetune.lessons.mining import MiningOptions

Leg = Literal["documents", "sentences", "hybrid"]
Loss = Literal["list", "kl"]
Unit = Literal["document", "window", "sentence", "mixed"]
TEMPERATURE = "Temperature of the teacher's scores, whose spread within a list is brought to 1 (not with kl)."
RUNS, NOTHING = "scifact, cmrc2018", "nothing"
UNIT = "Training texts: whole documents, the best window or sentence, or documents and sentences."


def dimensions(text: str) -> tuple[int, ...]:
    """ "256,128" as numbers.

    Raises:
        SettingsError: they are none.
    """
    parts = (text or "").replace(",", " ").split()
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise SettingsError(f"--matryoshka {text!r} names no dimensions", remedy="write them as 256,128")
    return tuple(int(part) for part in parts)


@dataclass(frozen=True)
class EmbedderOptions(Training):
    """How an embedder is trained, and what is proved of it; each field's help stands in its ``option``.

    The learning rate rises over the first ``warmup`` of the steps and falls linearly to 0. ``query_prompt`` and
    ``document_prompt`` are settings that go before the base's own prompts, as in serving. In use a model always reads
    as much as it can, whatever ``max_tokens`` it was trained with.
    """

    epochs: float = option(
        2,
        "Passes over the questions; early stopping may end it sooner.",
        above=0,
        everyday=True,
        measured="compared on scifact: 1 with --pairs 1200 gained more at a smaller loss",
    )
    batch: int = option(32, "Questions in a step.", low=2, everyday=True, measured=RUNS)
    accumulate: int = accumulate_option()
    lr: float = option(1e-4, "Learning rate.", above=0, everyday=True, measured=RUNS)
    loss: Loss = option(
        "list",
        "With a teacher: its ranking of each list beside the labels, or KL divergence alone with its raw scores, a row "
        "for every positive and negative (DistillKLDivLoss).",
        measured=NOTHING,
    )
    unit: Unit = option("mixed", UNIT, measured=RUNS)
    negatives: int = option(1, "Mined negatives in a row.", low=0, high=32, everyday=True, measured=RUNS)
    margin: float | None = margin_option(0.05, " switches the guard off.", RUNS)
    skip: int = skip_option(RUNS)
    judge: str | None = option(
        None, "A cross-encoder that must find a negative worse than the positive.", metavar="MODEL", measured=RUNS
    )
    pairs: int = option(
        0,
        "Add N pairs made from the documents alone: title and text.",
        low=0,
        metavar="N",
        measured="cmrc2018; 1200 on scifact, where it lost less elsewhere",
    )
    temperature: float = option(1.0, TEMPERATURE, above=0, measured=NOTHING)
    contrastive: float = option(0.5, "With a teacher: share of the contrastive loss.", low=0, high=1, measured=NOTHING)
    teacher_list: int = option(8, "With a teacher: texts in a list.", flag="--list", low=2, high=64, measured=NOTHING)
    matryoshka: tuple[int, ...] = option(
        (),
        "Shorter vectors to train besides the full one, e.g. 256,128.",
        metavar="DIM,...",
        parse=dimensions,
        shown="",
        measured=RUNS,
    )
    lora: int = option(
        0,
        "Train adapters of this rank instead of all weights; they are merged in the end.",
        low=0,
        metavar="RANK",
        measured=RUNS,
    )
    mini_batch: int = option(
        0,
        "Cached loss (GradCache) with passes of N texts: big batches on little memory.",
        low=0,
        metavar="N",
        measured=RUNS,
    )
    max_tokens: int | None = option(
        128,
        "Longest text in training; 0: what the model reads.",
        low=0,
        metavar="N",
        parse=lambda number: number or None,
        everyday=True,
        measured=RUNS,
    )
    scale: float = option(20.0, "Scale of cosines in the loss (1 / temperature).", above=0, measured=RUNS)
    evaluations: int = option(1, "Dev measurements (and checkpoints) an epoch.", low=1, measured=RUNS)
    patience: int = option(
        3,
        "Evaluations without a better dev nDCG@10 after which training stops; 0: never.",
        low=0,
        measured=f"{RUNS}, where one epoch gave it nothing to stop",
    )
    pool: int = option(400, "Texts that dev is measured on.", low=10, measured="nothing; 250 on scifact, cmrc2018")
    leg: Leg = option(
        "documents",
        "What is proved: exact search over documents, the index's dense leg, or the pipeline.",
        measured=RUNS,
    )
    merge: float | str | None = merge_option("compared on scifact: 0.5 lost less elsewhere, auto gained more")
    soup: int = soup_option("compared on scifact: 3 gave one figure with both seeds")
    query_prompt: str | None = None
    document_prompt: str | None = None

    def check(self, *, with_teacher: bool) -> None:
        """Raises:
        SettingsError: a loss without the teacher it needs, or with options that have no meaning for it.
        """
        if self.loss == "kl" and not with_teacher:
            raise SettingsError("the loss 'kl' learns a teacher's scores", remedy="name a teacher, or leave --loss out")
        if self.mini_batch and self.accumulate > 1:
            raise SettingsError(
                f"--mini-batch {self.mini_batch} makes big batches, and --accumulate {self.accumulate} small ones into "
                "a step",
                remedy="raise --batch instead of --accumulate: cached losses keep all in-batch negatives",
            )

    def listed(self, *, with_teacher: bool) -> int:
        """Negatives in a row; a teacher's lists are as long as they are meant to be."""
        return self.teacher_list - 1 if with_teacher else self.negatives

    def mining(self, cross_encoder: object = None, *, with_teacher: bool = False) -> MiningOptions:
        from eval.finetune.lessons.mining import MiningOptions

        kept = max(self.negatives, self.listed(with_teacher=with_teacher))
        return MiningOptions(
            skip=self.skip, negatives=kept, margin=self.margin, unit=self.unit, cross_encoder=cross_encoder
        )
