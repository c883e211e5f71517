"""rag-eval finetune bge-m3: tune BGE-M3's heads together with FlagEmbedding, and prove each side."""

from __future__ import annotations

from typing import Any

import click

from eval.cli.commands.finetune.options import options_of
from eval.cli.commands.finetune.output import give, show_sides
from eval.cli.options import dataset_argument
from eval.finetune.bge_m3.options import M3Options
from rag.cli.options import Shared, shared_options

EPILOG = """\b
Examples:
  rag-eval finetune bge-m3 data/mine --base BAAI/bge-m3 --out tuned --teacher cross_encoder:BAAI/bge-reranker-v2-m3
"""


@click.command(name="bge-m3", epilog=EPILOG, short_help="Tune BGE-M3's dense, sparse and multi-vector heads together.")
@dataset_argument
@click.option("--base", default="BAAI/bge-m3", show_default=True, metavar="MODEL", help="Model folder or hub name.")
@shared_options
@options_of(M3Options)
def command(shared: Shared, dataset: str, base: str, options: M3Options, request: dict[str, Any]) -> None:
    """Train BGE-M3 on DATASET's training questions with FlagEmbedding's own module, and prove each side.

    The dense, sparse and multi-vector heads are trained together and learn from each other. Negatives come from the
    hybrid pipeline. Hybrid, dense and sparse search are scored before and after, and the multi-vector head on the
    hybrid candidates; hybrid search decides. Exit code 4: not significantly better. Your settings are not changed: the
    lines for rag.toml are printed.
    """
    from eval.finetune.bge_m3.run import finetune_bge_m3

    found = finetune_bge_m3(dataset, base, options=options, **request)
    give(found, shared.json, show_sides, found.proof)
