"""rag-eval finetune reranker: train a cross-encoder, and prove the pipeline with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from eval.cli.commands.finetune.options import (
    RunOptions,
    batch_option,
    lr_option,
    run_options,
    soup_option,
    teacher_option,
)
from eval.cli.options import dataset_argument
from eval.report.table import table
from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.finetune.reranker.run import TunedReranker


@click.command(name="reranker", short_help="Tune a cross-encoder on a dataset, and prove what it gained.")
@dataset_argument
@click.option("--base", required=True, metavar="MODEL", help="minilm, a folder, or a hub name.")
@run_options()
@click.option("--epochs", default=2, show_default=True, type=click.IntRange(min=1), help="Passes over the questions.")
@batch_option(4)
@lr_option(1e-4)
@click.option(
    "--loss",
    type=click.Choice(["listnet", "lambda", "bce", "margin_mse"]),
    help="Default: listnet; with a teacher and without --residual margin_mse.",
)
@click.option(
    "--negatives",
    default=5,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Texts beside the positive in a list.",
)
@click.option(
    "--pool", default=24, show_default=True, type=click.IntRange(min=1), help="Mined negatives that lists draw from."
)
@click.option(
    "--margin",
    default=-1.0,
    show_default=True,
    type=click.FloatRange(-1, 1),
    help="A negative's fused score lies below the positive's by this share; -1: it may lie above.",
)
@click.option(
    "--skip", default=0, show_default=True, type=click.IntRange(min=0), help="Best ranks that give no negative."
)
@click.option(
    "--warm-up",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="First learn the pipeline's own scores on N questions made from the documents alone.",
)
@click.option(
    "--warm-lr",
    default=2e-4,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Learning rate of the warm-up.",
)
@teacher_option
@click.option(
    "--unlabelled",
    multiple=True,
    metavar="FILE",
    help="Questions without labels for the teacher to answer, one a line (or .jsonl with a text each); repeatable.",
)
@click.option(
    "--bonus",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="With a teacher: what a label adds to its score of a positive, in standard deviations.",
)
@click.option(
    "--residual/--no-residual",
    default=None,
    help="Train on what the pipeline's own order lacks (listnet, lambda), or on labels and teacher by themselves. "
    "Default: the first for a base without a head.",
)
@click.option(
    "--freeze-embeddings/--train-embeddings", default=True, show_default=True, help="Of words; most are never seen."
)
@click.option("--max-tokens", type=click.IntRange(min=16), metavar="N", help="Longest pair in training.")
@click.option(
    "--evaluations",
    default=4,
    show_default=True,
    type=click.IntRange(min=1),
    help="Dev measurements (and checkpoints) in the training.",
)
@click.option(
    "--patience",
    default=3,
    show_default=True,
    type=click.IntRange(min=0),
    help="Stop after so many without a better dev nDCG@10; 0: never.",
)
@click.option(
    "--dev-questions",
    default=60,
    show_default=True,
    type=click.IntRange(min=1),
    help="At most so many compare checkpoints.",
)
@click.option(
    "--weight",
    default="auto",
    show_default=True,
    metavar="auto|SHARE",
    help="Share of the reranker's score in the order; auto: chosen on dev.",
)
@click.option(
    "--refit/--no-refit",
    default=False,
    show_default=True,
    help="In the end train again, on training and dev questions together, for as long as dev found best.",
)
@soup_option
@shared_options
def command(
    shared: Shared,
    run: RunOptions,
    dataset: str,
    base: str,
    epochs: int,
    batch: int,
    lr: float,
    loss: str | None,
    negatives: int,
    pool: int,
    margin: float,
    skip: int,
    warm_up: int,
    warm_lr: float,
    teacher: tuple[str, ...],
    unlabelled: tuple[str, ...],
    bonus: float,
    residual: bool | None,
    freeze_embeddings: bool,
    max_tokens: int | None,
    evaluations: int,
    patience: int,
    dev_questions: int,
    weight: str,
    refit: bool,
    soup: int,
) -> None:
    """Train a cross-encoder on DATASET's training questions, and prove the pipeline with it on the test questions.

    The pipeline without a reranker and the base model are scored first. Candidates come from the pipeline; checkpoints
    are compared on held-out training questions, which also choose how much the reranker's score counts beside the
    fused one. Several --teacher are one, the mean of their scores. Exit code 4: not significantly better. Nothing is
    switched: the lines for rag.toml are printed.

    \b
    Examples:
      rag-eval finetune reranker data/scifact --base minilm --out reranker
      rag-eval finetune reranker data/scifact --base minilm --out student --teacher cross_encoder:reranker/model
      rag-eval finetune reranker data/faq --base minilm --out taught --teacher cross_encoder:big --unlabelled asked.txt
    """
    from eval.finetune.lessons.mining import MiningOptions
    from eval.finetune.reranker.run import RerankerOptions, finetune_reranker
    from eval.finetune.reranker.train import RerankerTraining

    rerank = shared.settings.rerank
    training = RerankerTraining(
        loss=loss or ("margin_mse" if teacher and not residual else "listnet"),  # type: ignore[arg-type]
        epochs=epochs,
        batch=batch,
        negatives=negatives,
        lr=lr,
        max_tokens=max_tokens,
        evaluations=evaluations,
        patience=patience,
        bonus=bonus,
        residual=residual,
        freeze_embeddings=freeze_embeddings,
        seed=run.seed,
        device=rerank.device,
        dtype=rerank.dtype,
    )
    options = RerankerOptions(
        training=training,
        mining=MiningOptions(negatives=pool, margin=margin if margin >= 0 else None, skip=skip, seed=run.seed),
        teacher=teacher,
        warm_up=warm_up,
        warm_lr=warm_lr,
        dev_questions=dev_questions,
        weight=share(weight),
        refit=refit,
        soup=soup,
        unlabelled=unlabelled,
    )
    found = finetune_reranker(
        dataset,
        base,
        options=options,
        **run.arguments(shared),
    )
    show(found, shared.json)
    found.proof.require_better()


def share(text: str) -> float | None:
    """None for "auto", or a share between 0 and 1.

    Raises:
        SettingsError: it is neither.
    """
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise SettingsError(f"--weight {text!r} is no share", remedy="give auto, or a number above 0 up to 1")
    return value


def show(found: TunedReranker, as_json: bool) -> None:
    """Curves, all pipelines, the proof and the lines for rag.toml."""
    from eval.cli.commands.finetune.output import curve_text, show_use
    from eval.finetune.proof.proof import MEASURES
    from rag.cli.output import data, data_json

    if as_json:
        data_json(found.as_dict())
        return
    if found.warm_up is not None:
        data("Warm-up\n" + curve_text(found.warm_up.curve) + "\n\nTraining")
    data(curve_text(found.trained.curve))
    data("\nShare of the reranker's score, MAP on dev")
    data(table(("share", *found.weights), [["MAP", *found.weights.values()]]))
    data("\n" + table(("pipeline", *MEASURES), [[name, *means.values()] for name, means in found.rows.items()]))
    data("\n" + found.proof.to_text())
    show_use(found.model, found.settings_lines, better=found.proof.better, seconds=found.seconds)
