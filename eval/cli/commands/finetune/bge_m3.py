"""rag-eval finetune bge-m3: tune BGE-M3's heads together through FlagEmbedding, and prove each side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eval.cli.commands.finetune.options import options_of
from eval.cli.options import dataset_argument
from eval.finetune.bge_m3.options import M3Options
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.finetune.bge_m3.steps import TunedM3


@click.command(name="bge-m3", short_help="Tune BGE-M3's dense, sparse and multi-vector heads together.")
@dataset_argument
@click.option("--base", default="BAAI/bge-m3", show_default=True, metavar="MODEL", help="A folder or a hub name.")
@shared_options
@options_of(M3Options)
def command(shared: Shared, dataset: str, base: str, options: M3Options, request: dict[str, Any]) -> None:
    """Train BGE-M3 on DATASET's training questions through FlagEmbedding's own module, and prove each side.

    The dense, sparse and multi-vector heads are trained together and teach each other. Negatives come from the hybrid
    pipeline. The hybrid, the dense and the sparse side of the index are scored before and after, and the multi-vector
    head on the hybrid side's candidates; the hybrid side decides. Exit code 4: not significantly better. Nothing is
    switched: the lines for rag.toml are printed.

    \b
    Example:
      rag-eval finetune bge-m3 data/mine --base BAAI/bge-m3 --out tuned --teacher cross_encoder:BAAI/bge-reranker-v2-m3
    """
    from eval.finetune.bge_m3.run import finetune_bge_m3

    found = finetune_bge_m3(dataset, base, options=options, **request)
    show(found, shared.json)
    found.proof.require_better()


def show(found: TunedM3, as_json: bool) -> None:
    """The curve, the tables of each side, the verdict that decides, and the lines for rag.toml."""
    from eval.cli.commands.finetune.output import curve_text, show_use
    from eval.finetune.proof.forgetting import MEASURES
    from eval.finetune.proof.proof import FORGETTING_HEAD, IN_DOMAIN_HEAD, forgetting_rows, in_domain_rows
    from eval.report.table import table
    from rag.cli.output import data, data_json

    if as_json:
        data_json(found.as_dict())
        return
    data(curve_text(found.trained.curve) + "\n")
    if found.merge is not None:
        data(found.merge.to_text() + "\n")
    for side, proof in reversed(found.proofs.items()):
        if proof is found.proof:
            continue
        data(f"{side} side: {proof.verdict}\n")
        data(f"Held-out questions of {proof.in_domain.title}\n{table(IN_DOMAIN_HEAD, in_domain_rows(proof))}\n")
        data(f"Elsewhere\n{table(FORGETTING_HEAD, forgetting_rows(proof))}\n")
    rows = [[side, *in_domain_rows(proof)[0][1:]] for side, proof in found.proofs.items()]
    data(f"{MEASURES[0]} of each side\n{table(('side', *IN_DOMAIN_HEAD[1:]), rows)}\n")
    data(f"both sides together, which decides: {found.proof.to_text()}")
    show_use(found.model, found.settings_lines, better=found.proof.better, seconds=found.seconds)
