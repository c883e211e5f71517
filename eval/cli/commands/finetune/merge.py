"""rag-eval finetune merge: the weighted average of a base model and its tuned version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from eval.cli.commands.finetune.options import RunOptions, run_options
from eval.cli.options import dataset_argument
from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.finetune.merge.run import Merged


@click.command(name="merge", short_help="Average base and tuned weights, and show what each weight costs.")
@click.argument("base", metavar="BASE")
@click.argument("tuned", metavar="TUNED", type=click.Path(path_type=Path))
@dataset_argument
@run_options(train_queries=False)
@click.option(
    "--weights",
    default="0,0.25,0.5,0.75,1",
    show_default=True,
    metavar="W,...",
    help="Shares of the tuned weights to compare on held-out training questions.",
)
@click.option(
    "--weight", type=click.FloatRange(0, 1), metavar="W", help="Take this share of the tuned weights; no comparison."
)
@click.option(
    "--queries",
    default=200,
    show_default=True,
    type=click.IntRange(min=1),
    help="Questions of each sample compared on.",
)
@click.option(
    "--documents", default=1000, show_default=True, type=click.IntRange(min=1), help="Documents of each sample."
)
@shared_options
def command(
    shared: Shared,
    run: RunOptions,
    base: str,
    tuned: Path,
    dataset: str,
    weights: str,
    weight: float | None,
    queries: int,
    documents: int,
) -> None:
    """Average the weights of BASE and TUNED (embedders or rerankers), and prove the result on DATASET.

    Every weight is measured on samples of held-out training questions and of other collections; the one that keeps most
    of the gain at the least loss elsewhere is taken. Name DATASET, splits, --dev-share, --dev-by and --seed as in the
    training.
    Exit code 4: not significantly better than BASE. Nothing is switched: the lines for rag.toml are printed.

    \b
    Example:
      rag-eval finetune merge minilm tuned/model data/scifact --out merged --also data/cisi
    """
    from eval.finetune.merge.run import merge_models

    found = merge_models(
        base,
        tuned,
        dataset,
        weights=shares(weights),
        weight=weight,
        seed=run.seed,
        queries=queries,
        documents=documents,
        **run.arguments(shared),
    )
    show(found, shared.json)
    found.proof.require_better()


def shares(text: str) -> list[float]:
    """ "0,0.5,1" as numbers.

    Raises:
        SettingsError: one is no number between 0 and 1, or there is none.
    """
    found = []
    for part in text.replace(",", " ").split():
        try:
            value = float(part)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise SettingsError(f"--weights {text!r}: {part!r} is no share", remedy="write them as 0,0.25,0.5,1")
        found.append(value)
    if not any(found):
        raise SettingsError(f"--weights {text!r} names no weight above 0", remedy="write them as 0,0.25,0.5,1")
    return found


def show(found: Merged, as_json: bool) -> None:
    """The curve, the proof and the lines for rag.toml."""
    from eval.cli.commands.finetune.output import show_use
    from rag.cli.output import data, data_json

    if as_json:
        data_json(found.as_dict())
        return
    if found.curve is not None:
        data(found.curve.to_text() + "\n")
    data(found.proof.to_text())
    show_use(found.model, found.settings_lines, better=found.proof.better)
