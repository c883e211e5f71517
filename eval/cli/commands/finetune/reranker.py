"""rag-eval finetune reranker: train a cross-encoder, and prove the gain of the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eval.cli.commands.finetune.options import base_option, options_of
from eval.cli.commands.finetune.output import curve_text, give, show_use
from eval.cli.options import dataset_argument
from eval.finetune.reranker.options import RerankerOptions
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.finetune.reranker.steps import TunedReranker


EPILOG = """\b
Examples:
  rag-eval finetune reranker data/scifact --base minilm --out reranker
  rag-eval finetune reranker data/scifact --base minilm --out student --teacher cross_encoder:reranker/model
  rag-eval finetune reranker data/faq --base minilm --out taught --teacher cross_encoder:big --unlabelled asked.txt
  rag-eval finetune reranker data/mine --recipe kanhaoning-reranker --base mine --out new --teacher file:t.jsonl
"""


@click.command(name="reranker", epilog=EPILOG, short_help="Tune a cross-encoder on a dataset, and prove the gain.")
@dataset_argument
@base_option
@shared_options
@options_of(RerankerOptions, section="rerank")
def command(shared: Shared, dataset: str, base: str, options: RerankerOptions, request: dict[str, Any]) -> None:
    """Train a cross-encoder on DATASET's training questions, and prove the pipeline with it on the test questions.

    The pipeline without a reranker and the base model are scored first. Candidates come from the pipeline; checkpoints
    are compared on held-out training questions, which also decide the reranker's share in the final score. With several
    --teacher, the mean of their scores is used. Exit code 4: not significantly better. Your settings are not changed:
    the lines for rag.toml are printed.
    """
    from eval.finetune.reranker.run import finetune_reranker

    found = finetune_reranker(dataset, base, options=options, **request)
    give(found, shared.json, show, found.proof)


def show(found: TunedReranker) -> None:
    """Print curves, scores of all pipelines, the proof and the lines for rag.toml."""
    from eval.finetune.proof.forgetting import MEASURES
    from eval.measure.metrics import shown
    from eval.report.table import table
    from rag.cli.output import data

    if found.warm_up is not None:
        data("Warm-up\n" + curve_text(found.warm_up.curve) + "\n\nTraining")
    data(curve_text(found.trained.curve))
    data("\nShare of the reranker's score, MAP on dev")
    data(table(("share", *found.weights), [["MAP", *found.weights.values()]]))
    data(
        "\n"
        + table(("pipeline", *map(shown, MEASURES)), [[name, *means.values()] for name, means in found.rows.items()])
    )
    data("\n" + found.proof.to_text())
    show_use(found.model, found.settings_lines, better=found.proof.better, seconds=found.seconds)
