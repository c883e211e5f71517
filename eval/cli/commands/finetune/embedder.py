"""rag-eval finetune embedder: train an embedding model, and prove the gain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eval.cli.commands.finetune.options import base_option, options_of
from eval.cli.commands.finetune.output import curve_text, give, show_use
from eval.cli.options import dataset_argument
from eval.finetune.embedder.options import EmbedderOptions
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.finetune.proof.tuned import TunedModel


EPILOG = """\b
Examples:
  rag-eval finetune embedder data/scifact --base minilm --out tuned --teacher pipeline --merge auto
  rag-eval finetune embedder data/mine --recipe kanhaoning-embedder --base base --out new --teacher file:t.jsonl
"""


@click.command(name="embedder", epilog=EPILOG, short_help="Tune an embedding model on a dataset, and prove the gain.")
@dataset_argument
@base_option
@shared_options
@options_of(EmbedderOptions)
def command(shared: Shared, dataset: str, base: str, options: EmbedderOptions, request: dict[str, Any]) -> None:
    """Train an embedding model on DATASET's training questions, and prove it on the test questions.

    The base is scored first. Negatives come from the hybrid pipeline with the base model; checkpoints are compared on
    held-out training questions, and the best is kept. At the end, tables show the gain on the test questions and the
    loss on other datasets. Exit code 4: not significantly better. Your settings are not changed: the lines for rag.toml
    are printed.
    """
    from eval.finetune.embedder.run import finetune_embedder

    found = finetune_embedder(dataset, base, options=options, **request)
    give(found, shared.json, show, found.proof)


def show(found: TunedModel) -> None:
    """Print the loss curve, the proof and the lines for rag.toml."""
    from eval.finetune.proof.tuned import HIT
    from rag.cli.output import data

    data(curve_text(found.trained.curve))
    data("")
    if found.merge is not None:
        data(found.merge.to_text() + "\n")
    data(found.proof.to_text())
    data(f"among the first five ({HIT}): {found.hits['base']:.4f} -> {found.hits['tuned']:.4f} of the test questions")
    show_use(found.model, found.settings_lines, better=found.proof.better, seconds=found.seconds)
