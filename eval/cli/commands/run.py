"""rag-eval run: measure pipelines on a dataset."""

from __future__ import annotations

import click

from eval.cli.options import KEEPING, MeasuringOptions, dataset_argument, measuring, pipeline_option
from indexes.errors import SettingsError

EPILOG = """\b
Examples:
  rag-eval run data/handbook --profile offline --pipeline base --pipeline rrf=fusion:rrf
  rag-eval run questions/ --collection handbook --pipeline now --pipeline wide=top_k:100
  rag-eval run data/handbook --answers --queries 20
"""


@click.command(name="run", epilog=EPILOG, short_help="Measure pipelines on a dataset, and save the runs.")
@dataset_argument
@pipeline_option("Name and settings of a pipeline, e.g. rrf=fusion:rrf,window:5; a bare NAME changes none; repeatable.")
@click.option("--answers", is_flag=True, help="Write answers too, with the configured language model.")
@measuring(*KEEPING)
def command(given: MeasuringOptions, dataset: str, specs: tuple[str, ...], answers: bool) -> None:
    """Ask each question of DATASET, and score what each pipeline finds.

    Each run is saved in a folder, for 'rag-eval compare'. A dataset with documents is indexed once, and its index and
    embeddings are cached. The judgements of a dataset without documents refer to an index that you already have: name
    it with --collection. KEYs are settings as shown by 'rag config', or short names such as window, top_k, fusion,
    dense_weight, sparse_weight, rrf_k, hyde, rerank, depth, encoder, sparse_window and contextual.
    """
    from eval.cli.output import measure
    from eval.measure.session import Session, parse_spec

    names = given.measures()
    parsed = [parse_spec(text) for text in specs or ("base",)]
    if len({spec.name for spec in parsed}) < len(parsed):
        raise SettingsError("two pipelines have the same name", remedy="give each --pipeline a different name")
    measure(given, parsed, given.read(dataset), names, Session.engine if answers else Session.retriever)
