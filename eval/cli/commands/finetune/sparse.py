"""rag-eval finetune sparse: train a sparse encoder, and prove the index with it."""

from __future__ import annotations

from typing import Any

import click

from eval.cli.commands.finetune.options import options_of
from eval.cli.commands.finetune.output import give, show_sides
from eval.cli.options import dataset_argument
from eval.finetune.sparse.options import SparseOptions
from rag.cli.options import Shared, shared_options

EPILOG = """\b
Examples:
  rag-eval finetune sparse data/mine --base prithivida/Splade_PP_en_v1 --out tuned --profile offline
"""


@click.command(
    name="sparse", epilog=EPILOG, short_help="Tune a sparse encoder (SPLADE) on a dataset, and prove the gain."
)
@dataset_argument
@click.option(
    "--base", required=True, metavar="MODEL", help="Folder or hub name of a SPLADE model or any masked language model."
)
@shared_options
@options_of(SparseOptions)
def command(shared: Shared, dataset: str, base: str, options: SparseOptions, request: dict[str, Any]) -> None:
    """Train a sparse encoder on DATASET's training questions, and prove it on the test questions.

    Negatives come from the hybrid pipeline with the base as its sparse side; checkpoints are compared on held-out
    training questions, and the best is kept. Hybrid search, which decides, and the sparse leg alone are scored before
    and after; the encoder of the settings does not change. Exit code 4: not significantly better. Your settings are not
    changed: the lines for rag.toml are printed.
    """
    from eval.finetune.sparse.run import finetune_sparse

    found = finetune_sparse(dataset, base, options=options, **request)
    give(found, shared.json, show_sides, found.proof)
