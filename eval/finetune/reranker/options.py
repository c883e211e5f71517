"""What a run of finetune_reranker is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from eval.finetune.training.options import (
    Training,
    accumulate_option,
    margin_option,
    number,
    option,
    skip_option,
    soup_option,
)
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from eval.finetune.lessons.mining import MiningOptions

Loss = Literal["bce", "listnet", "lambda", "margin_mse"]
RUNS = "xquad_en, trecqa_rerank, scifact"
WITH_RESIDUAL: tuple[Loss, ...] = ("listnet", "lambda")  # losses over a list's logits, to which others can be added


def share(text: str) -> float | None:
    """None for "auto", or a share between 0 and 1.

    Raises:
        SettingsError: it is neither.
    """
    if text == "auto":
        return None
    value = number(text)
    if value is None or not 0 < value <= 1:
        raise SettingsError(f"--weight {text!r} is not a share", remedy="give auto, or a number above 0 up to 1")
    return value


@dataclass(frozen=True)
class RerankerOptions(Training):
    """How a cross-encoder is trained, and how it is used; each field's help stands in its ``option``.

    Losses: "listnet" (softmax over a list), "lambda" (LambdaLoss, NDCG-Loss2++), "bce" (each pair by itself), or
    "margin_mse" (differences of the teacher's scores, so with a teacher only; "lambda" without one only). What the
    pipeline ranks above a positive is what a reranker is for, so that no margin guards the negatives by default. The
    word embeddings are half of a small model's weights, and the half that few questions only see parts of.
    """

    epochs: int = option(
        2,
        "Passes over the questions, each with other negatives.",
        low=1,
        everyday=True,
        measured="xquad_en, scifact; 6 on trecqa_rerank",
    )
    batch: int = option(
        4, "Questions in a step.", low=2, everyday=True, measured="trecqa_rerank; 8 on xquad_en, scifact"
    )
    accumulate: int = accumulate_option()
    lr: float = option(1e-4, "Learning rate.", above=0, everyday=True, measured=RUNS)
    loss: Loss | None = option(
        None,
        "Default: listnet; with a teacher and without --residual margin_mse.",
        everyday=True,
        measured=f"{RUNS} (listnet)",
    )
    negatives: int = option(
        5,
        "Texts beside the positive in a list.",
        low=1,
        high=64,
        everyday=True,
        measured="xquad_en; 3 on scifact, 7 on trecqa_rerank",
    )
    pool: int = option(24, "Mined negatives that lists draw from.", low=1, measured=RUNS)
    margin: float | None = margin_option(None, ": it may lie above.", RUNS)
    skip: int = skip_option(RUNS)
    warm_up: int = option(
        0,
        "First learn the pipeline's own scores on N questions made from the documents alone.",
        low=0,
        metavar="N",
        measured=RUNS,
    )
    warm_lr: float = option(2e-4, "Learning rate of the warm-up.", above=0, measured="nothing")
    unlabelled: tuple[str, ...] = option(
        (),
        "Questions without labels for the teacher to answer, one a line (or .jsonl with a text each); repeatable.",
        metavar="FILE",
        measured="compared on trecqa_rerank: questions that its documents do not answer made it worse",
    )
    bonus: float = option(
        1.0,
        "With a teacher: what a label adds to its score of a positive, in standard deviations.",
        low=0,
        measured="nothing; 2.5 on trecqa_rerank, scifact",
    )
    raw_scores: bool = option(
        False, "Learn the teacher's scores as they are; default: brought to a spread of 1.", measured=RUNS
    )
    residual: bool | None = option(
        None,
        "Train on what the pipeline's own order lacks (listnet, lambda), or on labels and teacher by themselves. "
        "Default: the first for a base without a head.",
        flag="--residual/--no-residual",
        everyday=True,
        measured="compared on trecqa_rerank, from a base with a head: without it there was no gain",
    )
    freeze_embeddings: bool = option(
        True,
        "Word embeddings stay as they are, or are trained; most of them are never seen.",
        flag="--freeze-embeddings/--train-embeddings",
        measured=RUNS,
    )
    max_tokens: int | None = option(
        None, "Longest pair in training.", low=16, metavar="N", everyday=True, measured=RUNS
    )
    evaluations: int = option(
        4,
        "Dev measurements (and checkpoints) in the training.",
        low=1,
        measured="nothing; 2 on xquad_en, scifact, 3 on trecqa_rerank",
    )
    patience: int = option(
        3,
        "Evaluations without a better dev nDCG@10 after which training stops; 0: never.",
        low=0,
        measured=RUNS,
    )
    dev_questions: int = option(60, "Most dev questions that compare checkpoints.", low=1, measured=RUNS)
    weight: float | None = option(
        None,
        "Share of the reranker's score in the order; auto: chosen on dev.",
        metavar="auto|SHARE",
        parse=share,
        shown="auto",
        measured="its rule of one standard error was compared with dev's best on trecqa_rerank, scifact",
    )
    refit: bool = option(
        False,
        "In the end train again, on training and dev questions together, for as long as dev found best.",
        flag="--refit/--no-refit",
        everyday=True,
        measured="xquad_en, scifact; on, and not compared, on trecqa_rerank",
    )
    soup: int = soup_option("compared on trecqa_rerank: 3 were no better than the mean of one")

    def mining(self, read: str) -> MiningOptions:
        """``read``: of a candidate, as in ``rerank.read``."""
        from eval.finetune.lessons.mining import MiningOptions

        return MiningOptions(
            skip=self.skip,
            negatives=self.pool,
            margin=self.margin,
            unit="window" if read == "window" else "sentence",
            seed=self.seed,
        )

    def with_defaults(self, *, with_teacher: bool) -> RerankerOptions:
        """The options with their loss, where they go together.

        Raises:
            SettingsError: a loss without the teacher it needs, with one it cannot take, or with a residual it cannot;
                questions without labels, and no teacher to answer them.
        """
        if self.unlabelled and not with_teacher:
            raise SettingsError("questions without labels need a teacher", remedy="name one with --teacher")
        if self.raw_scores and not with_teacher:
            raise SettingsError("--raw-scores are a teacher's", remedy="name one with --teacher")
        loss = self.loss or ("margin_mse" if with_teacher and not self.residual else "listnet")
        if loss == "margin_mse" and not with_teacher:
            raise SettingsError(
                "the loss 'margin_mse' learns a teacher's scores", remedy="name a teacher, or take listnet"
            )
        if self.residual and loss not in WITH_RESIDUAL:
            raise SettingsError(
                f"the loss {loss!r} cannot learn what the pipeline's order lacks",
                remedy="take listnet, or no residual",
            )
        if loss == "lambda" and with_teacher:
            raise SettingsError(
                "the loss 'lambda' learns labels and no teacher's scores", remedy="take margin_mse, listnet or bce"
            )
        return replace(self, loss=loss)
