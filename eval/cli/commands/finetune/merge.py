"""rag-eval finetune merge: average the weights of a base model and its tuned version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.cli.commands.finetune.options import options_of
from eval.cli.commands.finetune.output import give, show_use
from eval.cli.options import dataset_argument
from eval.finetune.merge.options import MergeOptions
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.finetune.merge.run import Merged


EPILOG = """\b
Examples:
  rag-eval finetune merge minilm tuned/model data/scifact --out merged --also data/cisi
"""


@click.command(
    name="merge", epilog=EPILOG, short_help="Average the weights of base and tuned model, and prove the result."
)
@click.argument("base", metavar="BASE")
@click.argument("tuned", metavar="TUNED", type=click.Path(path_type=Path))
@dataset_argument
@shared_options
@options_of(MergeOptions, without=("train_queries", "teacher"))
def command(
    shared: Shared, base: str, tuned: Path, dataset: str, options: MergeOptions, request: dict[str, Any]
) -> None:
    """Average the weights of BASE and TUNED (embedders or rerankers), and prove the result on DATASET.

    Each weight is measured on samples of held-out training questions and of other datasets; the one that keeps most of
    the gain at the smallest loss elsewhere is chosen. Use the same DATASET, splits, --dev-share, --dev-by and --seed as
    in the training.
    Exit code 4: not significantly better than BASE. Your settings are not changed: the lines for rag.toml are printed.
    """
    from eval.finetune.merge.run import merge_models

    found = merge_models(base, tuned, dataset, options=options, **request)
    give(found, shared.json, show, found.proof)


def show(found: Merged) -> None:
    """Print the curve, the proof and the lines for rag.toml."""
    from rag.cli.output import data

    if found.curve is not None:
        data(found.curve.to_text() + "\n")
    data(found.proof.to_text())
    show_use(found.model, found.settings_lines, better=found.proof.better)
