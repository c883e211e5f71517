"""Options of ``finetune_reranker``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from eval.finetune.training.options import (
    Training,
    accumulate_option,
    margin_option,
    number,
    option,
    patience_option,
    skip_option,
    soup_option,
)
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from eval.finetune.lessons.mining import MiningOptions

Loss = Literal["bce", "listnet", "lambda", "margin_mse"]
RUNS = "xquad_en, trecqa_rerank, scifact"
WITH_RESIDUAL: tuple[Loss, ...] = (
    "listnet",
    "lambda",
)  # losses over a list's logits, to which other scores can be added


def share(text: str) -> float | None:
    """Parse ``--weight``: None for "auto", or a share above 0 and at most 1.

    Raises:
        SettingsError: the text is neither.

    >>> share("auto"), share("0.5")
    (None, 0.5)
    """
    if text == "auto":
        return None
    value = number(text)
    if value is None or not 0 < value <= 1:
        raise SettingsError(f"--weight {text!r} is not a share", remedy="give auto, or a number above 0 and at most 1")
    return value


@dataclass(frozen=True)
class RerankerOptions(Training):
    """How a cross-encoder is trained and used; each field's ``option`` has its help.

    Losses: "listnet" (softmax over a list), "lambda" (LambdaLoss, NDCG-Loss2++; only without a teacher), "bce" (each
    pair separately), "margin_mse" (differences of scores; only with a teacher). By default no margin guards the
    negatives, since a reranker must learn what the pipeline ranks above a positive. Word embeddings are frozen by
    default: they are half of a small model's weights, and a few questions contain only few words.

    >>> options = RerankerOptions(epochs=1, negatives=7)
    >>> options.loss, options.mining("window").unit
    (None, 'window')
    """

    epochs: int = option(
        2,
        "Number of epochs, each with other negatives.",
        low=1,
        everyday=True,
        measured="xquad_en, scifact; 6 on trecqa_rerank",
    )
    batch: int = option(
        4, "Questions per step.", low=2, everyday=True, measured="trecqa_rerank; 8 on xquad_en, scifact"
    )
    accumulate: int = accumulate_option()
    lr: float = option(1e-4, "Learning rate.", above=0, everyday=True, measured=RUNS)
    loss: Loss | None = option(
        None,
        "Loss [listnet; with a teacher and without --residual, margin_mse].",
        everyday=True,
        measured=f"{RUNS} (listnet)",
    )
    negatives: int = option(
        5,
        "Texts per list besides the positive.",
        low=1,
        high=64,
        everyday=True,
        measured="xquad_en; 3 on scifact, 7 on trecqa_rerank",
    )
    pool: int = option(24, "Mined negatives per question, from which lists draw.", low=1, measured=RUNS)
    margin: float | None = margin_option(None, ": no limit.", RUNS)
    skip: int = skip_option(RUNS)
    warm_up: int = option(
        0,
        "Number of questions generated from the documents, on which it first learns the pipeline's own scores.",
        low=0,
        metavar="N",
        measured=RUNS,
    )
    warm_lr: float = option(2e-4, "Learning rate of the warm-up.", above=0, measured="nothing")
    unlabelled: tuple[str, ...] = option(
        (),
        "File of questions without labels for the teacher, one per line (or .jsonl); repeatable.",
        metavar="FILE",
        measured="compared on trecqa_rerank: questions that its documents do not answer made it worse",
    )
    bonus: float = option(
        1.0,
        "With a teacher: bonus of a label on its score of a positive, in standard deviations.",
        low=0,
        measured="nothing; 2.5 on trecqa_rerank, scifact",
    )
    raw_scores: bool = option(False, "Learn the teacher's unscaled scores, not scaled to a spread of 1.", measured=RUNS)
    residual: bool | None = option(
        None,
        "Train on what the pipeline's order lacks (listnet, lambda), or on labels and teacher alone [residual for a "
        "base without a head].",
        flag="--residual/--no-residual",
        everyday=True,
        measured="compared on trecqa_rerank, from a base with a head: without it there was no gain",
    )
    freeze_embeddings: bool = option(
        True,
        "Freeze the word embeddings, or train them; most never occur in training.",
        flag="--freeze-embeddings/--train-embeddings",
        measured=RUNS,
    )
    max_tokens: int | None = option(
        None, "Maximum tokens per pair in training.", low=16, metavar="N", everyday=True, measured=RUNS
    )
    evaluations: int = option(
        4,
        "Number of evaluations on dev (and of checkpoints) during training.",
        low=1,
        measured="nothing; 2 on xquad_en, scifact, 3 on trecqa_rerank",
    )
    patience: int = patience_option(RUNS)
    dev_questions: int = option(
        60, "Maximum number of dev questions used to compare checkpoints.", low=1, measured=RUNS
    )
    weight: float | None = option(
        None,
        "Share of the reranker in the final score; auto: chosen on dev.",
        metavar="auto|SHARE",
        parse=share,
        shown="auto",
        measured="the one-standard-error rule was compared with dev's best on trecqa_rerank, scifact",
    )
    refit: bool = option(
        False,
        "Train again at the end, on training and dev questions together, for the number of steps that was best on dev.",
        flag="--refit/--no-refit",
        everyday=True,
        measured="xquad_en, scifact; used on trecqa_rerank without a comparison",
    )
    soup: int = soup_option("compared on trecqa_rerank: 3 were not better than the mean of single ones")

    def mining(self, read: str) -> MiningOptions:
        """Return the options of mining; ``read`` is as ``rerank.read``."""
        from eval.finetune.lessons.mining import MiningOptions

        return MiningOptions(
            skip=self.skip,
            negatives=self.pool,
            margin=self.margin,
            unit="window" if read == "window" else "sentence",
            seed=self.seed,
        )

    def with_defaults(self, *, with_teacher: bool) -> RerankerOptions:
        """Return the options with their default loss, and check that they fit together.

        Raises:
            SettingsError: the loss needs a teacher, or does not allow the teacher or the residual; or questions without
                labels have no teacher.
        """
        if self.unlabelled and not with_teacher:
            raise SettingsError("questions without labels need a teacher", remedy="name one with --teacher")
        if self.raw_scores and not with_teacher:
            raise SettingsError("--raw-scores needs a teacher", remedy="name one with --teacher")
        loss = self.loss or ("margin_mse" if with_teacher and not self.residual else "listnet")
        if loss == "margin_mse" and not with_teacher:
            raise SettingsError(
                "the loss 'margin_mse' needs a teacher's scores", remedy="name a teacher, or use listnet"
            )
        if self.residual and loss not in WITH_RESIDUAL:
            raise SettingsError(
                f"the loss {loss!r} does not support --residual",
                remedy="use listnet or --no-residual",
            )
        if loss == "lambda" and with_teacher:
            raise SettingsError(
                "the loss 'lambda' cannot learn a teacher's scores", remedy="use margin_mse, listnet or bce"
            )
        return replace(self, loss=loss)
