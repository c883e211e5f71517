"""Options of ``finetune_embedder``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from eval.finetune.lessons.mining import MiningOptions

Leg = Literal["documents", "sentences", "hybrid"]
Loss = Literal["list", "kl"]
Unit = Literal["document", "window", "sentence", "mixed"]
TEMPERATURE = "Temperature of the teacher's scores, which are scaled to a spread of 1 within a list (not with kl)."
RUNS, NOTHING = "scifact, cmrc2018", "nothing"
UNIT = "Unit of training texts: documents, best windows, best sentences, or documents and sentences (mixed)."


def dimensions(text: str) -> tuple[int, ...]:
    """Parse ``--matryoshka``.

    Raises:
        SettingsError: the text is not a list of positive numbers.

    >>> dimensions("256,128")
    (256, 128)
    """
    parts = (text or "").replace(",", " ").split()
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise SettingsError(f"--matryoshka {text!r} is not a list of dimensions", remedy="write them as 256,128")
    return tuple(int(part) for part in parts)


@dataclass(frozen=True)
class EmbedderOptions(Training):
    """How an embedder is trained and proved; each field's ``option`` has its help.

    The learning rate rises over the first share ``warmup`` of the steps and falls linearly to 0. ``query_prompt`` and
    ``document_prompt`` are settings that take precedence over the base's prompts, as in serving. In use, a model reads
    as much as it can, whatever ``max_tokens`` was in training.

    >>> options = EmbedderOptions(epochs=1, unit="sentence")
    >>> options.mining().unit, options.listed(with_teacher=False), options.listed(with_teacher=True)
    ('sentence', 1, 7)
    >>> EmbedderOptions(loss="kl").check(with_teacher=False)
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: the loss 'kl' needs a teacher's scores; name a teacher, or leave out --loss
    """

    epochs: float = option(
        2,
        "Number of epochs; early stopping may end the training sooner.",
        above=0,
        everyday=True,
        measured="compared on scifact: 1 with --pairs 1200 gained more at a smaller loss",
    )
    batch: int = option(32, "Questions per step.", low=2, everyday=True, measured=RUNS)
    accumulate: int = accumulate_option()
    lr: float = option(1e-4, "Learning rate.", above=0, everyday=True, measured=RUNS)
    loss: Loss = option(
        "list",
        "With a teacher: its ranking of each list besides the labels, or KL divergence alone with its raw scores, one "
        "row per positive and negative (DistillKLDivLoss).",
        measured=NOTHING,
    )
    unit: Unit = option("mixed", UNIT, measured=RUNS)
    negatives: int = option(1, "Mined negatives per row.", low=0, high=32, everyday=True, measured=RUNS)
    margin: float | None = margin_option(0.05, " turns the guard off.", RUNS)
    skip: int = skip_option(RUNS)
    judge: str | None = option(
        None, "Cross-encoder that must score a negative below the positive.", metavar="MODEL", measured=RUNS
    )
    pairs: int = option(
        0,
        "Number of pairs to add from the documents alone: title and text.",
        low=0,
        metavar="N",
        measured="cmrc2018; 1200 on scifact, where it lost less elsewhere",
    )
    temperature: float = option(1.0, TEMPERATURE, above=0, measured=NOTHING)
    contrastive: float = option(0.5, "With a teacher: share of the contrastive loss.", low=0, high=1, measured=NOTHING)
    teacher_list: int = option(8, "With a teacher: texts per list.", flag="--list", low=2, high=64, measured=NOTHING)
    matryoshka: tuple[int, ...] = option(
        (),
        "Dimensions of shorter vectors to train besides the full one, e.g. 256,128.",
        metavar="DIM,...",
        parse=dimensions,
        shown="",
        measured=RUNS,
    )
    lora: int = option(
        0,
        "Rank of LoRA adapters to train instead of all weights; they are merged at the end.",
        low=0,
        metavar="RANK",
        measured=RUNS,
    )
    mini_batch: int = option(
        0,
        "Texts per forward pass of a cached loss (GradCache), for large batches in little memory.",
        low=0,
        metavar="N",
        measured=RUNS,
    )
    max_tokens: int | None = text_tokens_option(RUNS)
    scale: float = option(20.0, "Factor of cosines in the loss (1 / temperature).", above=0, measured=RUNS)
    evaluations: int = option(1, "Evaluations on dev (and checkpoints) per epoch.", low=1, measured=RUNS)
    patience: int = patience_option(f"{RUNS}, where it had no effect in one epoch")
    pool: int = option(
        400, "Number of texts to evaluate dev questions on.", low=10, measured="nothing; 250 on scifact, cmrc2018"
    )
    leg: Leg = option(
        "documents",
        "What to prove: exact search over documents, the index's dense leg, or the pipeline.",
        measured=RUNS,
    )
    merge: float | str | None = merge_option("compared on scifact: 0.5 lost less elsewhere, auto gained more")
    soup: int = soup_option("compared on scifact: 3 gave one figure with both seeds")
    query_prompt: str | None = None
    document_prompt: str | None = None

    def check(self, *, with_teacher: bool) -> None:
        """Check that the options fit together.

        Raises:
            SettingsError: a loss lacks its teacher, or options exclude each other.
        """
        if self.loss == "kl" and not with_teacher:
            raise SettingsError("the loss 'kl' needs a teacher's scores", remedy="name a teacher, or leave out --loss")
        if self.mini_batch and self.accumulate > 1:
            raise SettingsError(
                f"--mini-batch {self.mini_batch} and --accumulate {self.accumulate} exclude each other",
                remedy="raise --batch instead of --accumulate: cached losses have all in-batch negatives",
            )

    def listed(self, *, with_teacher: bool) -> int:
        """Return the number of negatives per row; with a teacher, that of its lists."""
        return self.teacher_list - 1 if with_teacher else self.negatives

    def mining(self, cross_encoder: object = None, *, with_teacher: bool = False) -> MiningOptions:
        """Return the options of mining."""
        from eval.finetune.lessons.mining import MiningOptions

        kept = max(self.negatives, self.listed(with_teacher=with_teacher))
        return MiningOptions(
            skip=self.skip, negatives=kept, margin=self.margin, unit=self.unit, cross_encoder=cross_encoder
        )
