"""rag-eval run: measure pipelines on a dataset."""

from __future__ import annotations

import click

from eval.cli.options import KEEPING, MeasuringOptions, dataset_argument, measuring
from indexes.errors import SettingsError


@click.command(name="run", short_help="Measure pipelines on a dataset, and save the runs.")
@dataset_argument
@click.option(
    "--pipeline",
    "specs",
    multiple=True,
    metavar="NAME=KEY:VALUE,...",
    help="Name and settings of a pipeline, e.g. rrf=fusion:rrf,window:5; a bare NAME changes none; repeatable.",
)
@click.option("--answers", is_flag=True, help="Write answers too, with the configured language model.")
@measuring(*KEEPING)
def command(given: MeasuringOptions, dataset: str, specs: tuple[str, ...], answers: bool) -> None:
    """Ask each question of DATASET, and score what each pipeline finds.

    A dataset with documents is indexed once (indexes and embeddings are cached). The judgements of one without
    documents refer to an index of yours: name it with --collection. KEYs are settings as shown by 'rag config', or
    short names: window, top_k,
    fusion, dense_weight, sparse_weight, rrf_k, hyde, rerank, depth, encoder, sparse_window, contextual.
    """
    from eval.cli.output import measure
    from eval.measure.session import Session, parse_spec

    names = given.measures()
    parsed = [parse_spec(text) for text in specs or ("base",)]
    if len({spec.name for spec in parsed}) < len(parsed):
        raise SettingsError("two pipelines have the same name", remedy="give each --pipeline a different name")
    measure(given, parsed, given.read(dataset), names, Session.engine if answers else Session.retriever)
