"""rag-eval finetune merge: the weighted average of a base model and its tuned version."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eval.cli.finetune_options import (
    also_option,
    dev_by_option,
    dev_share_option,
    finetune_out_option,
    max_loss_option,
    seed_option,
    test_split_option,
    train_split_option,
)
from eval.cli.options import cache_option, dataset_argument, ticker
from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.finetune.merging import Merged


@click.command(name="merge", short_help="Average base and tuned weights, and show what each weight costs.")
@click.argument("base", metavar="BASE")
@click.argument("tuned", metavar="TUNED", type=click.Path(path_type=Path))
@dataset_argument
@finetune_out_option
@also_option
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
@train_split_option
@test_split_option
@dev_share_option
@dev_by_option
@seed_option
@max_loss_option
@cache_option
@shared_options
def command(
    shared: Shared,
    base: str,
    tuned: Path,
    dataset: str,
    out: Path,
    also: tuple[str, ...],
    weights: str,
    weight: float | None,
    queries: int,
    documents: int,
    train_split: str,
    split: str,
    dev_share: float,
    dev_by: str,
    seed: int,
    max_loss: float,
    cache: Path | None,
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
    from eval.finetune.merging import merge_models
    from rag.cli.output import words

    found = merge_models(
        base,
        tuned,
        dataset,
        out=out,
        also=also,
        weights=shares(weights),
        weight=weight,
        train_split=train_split,
        test_split=split,
        dev_share=dev_share,
        dev_by=dev_by,  # type: ignore[arg-type]
        seed=seed,
        max_loss=max_loss,
        queries=queries,
        documents=documents,
        settings=shared.settings,
        cache=cache,
        stage=ticker,
        say=words,
        command=" ".join(["rag-eval", *sys.argv[1:]]),
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
    from rag.cli.output import data, data_json, words

    if as_json:
        data_json(found.as_dict())
        return
    if found.curve is not None:
        data(found.curve.to_text() + "\n")
    data(found.proof.to_text())
    words(f"\nthe model is in {found.model}; nothing was switched")
    if found.proof.better:
        words("To use it, put into rag.toml:")
        for line in found.settings_lines:
            words(line)
