"""rag-eval finetune embedder: train an embedding model, and prove what it gained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from eval.cli.commands.finetune.options import (
    RunOptions,
    batch_option,
    epochs_option,
    lr_option,
    merge_option,
    merge_weight,
    run_options,
    soup_option,
    teacher_option,
    temperature_option,
)
from eval.cli.options import dataset_argument
from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.finetune.embedder.run import Tuned


@click.command(name="embedder", short_help="Tune an embedding model on a dataset, and prove what it gained.")
@dataset_argument
@click.option("--base", required=True, metavar="MODEL", help="minilm, a folder, or a hub name.")
@run_options()
@epochs_option(2)
@batch_option(32)
@lr_option(1e-4)
@click.option(
    "--unit",
    default="mixed",
    show_default=True,
    type=click.Choice(["document", "window", "sentence", "mixed"]),
    help="Training texts: whole documents, the best window or sentence, or documents and sentences.",
)
@click.option("--negatives", default=1, show_default=True, type=click.IntRange(0, 32), help="Mined negatives in a row.")
@click.option(
    "--margin",
    default=0.05,
    show_default=True,
    type=click.FloatRange(-1, 1),
    help="A negative's fused score lies below the positive's by this share; -1 switches the guard off.",
)
@click.option(
    "--skip", default=0, show_default=True, type=click.IntRange(min=0), help="Best ranks that give no negative."
)
@click.option("--judge", metavar="MODEL", help="A cross-encoder that must find a negative worse than the positive.")
@click.option(
    "--pairs",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Add N pairs made from the documents alone: title and text.",
)
@teacher_option
@temperature_option
@click.option(
    "--contrastive",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="With a teacher: share of the contrastive loss.",
)
@click.option(
    "--list",
    "teacher_list",
    default=8,
    show_default=True,
    type=click.IntRange(2, 64),
    help="With a teacher: texts in a list.",
)
@click.option("--matryoshka", metavar="DIM,...", help="Shorter vectors to train besides the full one, e.g. 256,128.")
@click.option(
    "--lora",
    default=0,
    metavar="RANK",
    type=click.IntRange(min=0),
    help="Train adapters of this rank instead of all weights; they are merged in the end.",
)
@click.option(
    "--mini-batch",
    default=0,
    metavar="N",
    type=click.IntRange(min=0),
    help="Cached loss (GradCache) with passes of N texts: big batches on little memory.",
)
@click.option(
    "--max-tokens",
    default=128,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Longest text in training; 0: what the model reads.",
)
@click.option(
    "--scale",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Of cosines in the loss (1 / temperature).",
)
@click.option(
    "--evaluations",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Dev measurements (and checkpoints) an epoch.",
)
@click.option(
    "--patience",
    default=3,
    show_default=True,
    type=click.IntRange(min=0),
    help="Stop after so many without a better dev nDCG@10; 0: never.",
)
@click.option(
    "--pool", default=400, show_default=True, type=click.IntRange(min=10), help="Texts that dev is measured on."
)
@click.option(
    "--leg",
    default="documents",
    show_default=True,
    type=click.Choice(["documents", "sentences", "hybrid"]),
    help="What is proved: exact search over documents, the index's dense leg, or the pipeline.",
)
@merge_option()
@soup_option
@shared_options
def command(
    shared: Shared,
    run: RunOptions,
    dataset: str,
    base: str,
    epochs: float,
    batch: int,
    lr: float,
    unit: str,
    negatives: int,
    margin: float,
    skip: int,
    judge: str | None,
    pairs: int,
    teacher: tuple[str, ...],
    temperature: float,
    contrastive: float,
    teacher_list: int,
    matryoshka: str | None,
    lora: int,
    mini_batch: int,
    max_tokens: int,
    scale: float,
    evaluations: int,
    patience: int,
    pool: int,
    leg: str,
    merge: str,
    soup: int,
) -> None:
    """Train an embedding model on DATASET's training questions, and prove it on the test questions.

    The base is scored first. Negatives come from the hybrid pipeline with the base model; checkpoints are compared on
    held-out training questions, and the best is kept. In the end stand a table of the gain and one of the loss on other
    collections. Exit code 4: not significantly better. Nothing is switched: the lines for rag.toml are printed.

    \b
    Example:
      rag-eval finetune embedder data/scifact --base minilm --out tuned --teacher pipeline --merge auto
    """
    from eval.finetune.embedder.run import EmbedderOptions, finetune_embedder
    from eval.finetune.embedder.train import TrainingOptions
    from eval.finetune.lessons.mining import MiningOptions

    encoder = shared.settings.encoder
    training = TrainingOptions(
        epochs=epochs,
        batch=batch,
        lr=lr,
        scale=scale,
        mini_batch=mini_batch,
        matryoshka=dimensions(matryoshka),
        lora=lora,
        max_tokens=max_tokens or None,
        evaluations=evaluations,
        patience=patience,
        temperature=temperature,
        contrastive=contrastive,
        seed=run.seed,
        device=encoder.device,
        dtype=encoder.dtype,
        query_prompt=encoder.query_prompt,
        document_prompt=encoder.document_prompt,
    )
    mining = MiningOptions(
        unit=unit,  # type: ignore[arg-type]
        negatives=max(negatives, teacher_list - 1 if teacher else 0),
        margin=margin if margin >= 0 else None,
        skip=skip,
        cross_encoder=judge_of(judge, shared),
        seed=run.seed,
    )
    options = EmbedderOptions(
        training=training,
        mining=mining,
        negatives=negatives,
        teacher=teacher,
        teacher_list=teacher_list,
        pairs=pairs,
        pool=pool,
        leg=leg,  # type: ignore[arg-type]
        merge=merge_weight(merge),
        soup=soup,
    )
    found = finetune_embedder(
        dataset,
        base,
        options=options,
        **run.arguments(shared),
    )
    show(found, shared.json)
    found.proof.require_better()


def dimensions(text: str | None) -> tuple[int, ...]:
    """ "256,128" as numbers.

    Raises:
        SettingsError: they are none.
    """
    parts = (text or "").replace(",", " ").split()
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise SettingsError(f"--matryoshka {text!r} names no dimensions", remedy="write them as 256,128")
    return tuple(int(part) for part in parts)


def judge_of(model: str | None, shared: Shared) -> object:
    """The cross-encoder of ``--judge``."""
    if model is None:
        return None
    from rag.rerankers import build_reranker

    return build_reranker(shared.settings.rerank.model_copy(update={"provider": "cross_encoder", "model": model}))


def show(found: Tuned, as_json: bool) -> None:
    """The proof, the loss curve and the lines for rag.toml."""
    from eval.cli.commands.finetune.output import curve_text, show_use
    from rag.cli.output import data, data_json

    if as_json:
        data_json(found.as_dict())
        return
    data(curve_text(found.trained.curve))
    data("")
    if found.merge is not None:
        data(found.merge.to_text() + "\n")
    data(found.proof.to_text())
    show_use(found.model, found.settings_lines, better=found.proof.better, seconds=found.seconds)
