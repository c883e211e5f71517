"""rag-eval convert: write a dataset in another format."""

from __future__ import annotations

from pathlib import Path

import click

from eval.cli.options import dataset_argument, dataset_of, json_option, show_notes, split_option
from eval.datasets.load import FORMATS
from indexes.display import counted

EPILOG = """\b
Examples:
  rag-eval convert data/handbook handbook.jsonl --to flag-embedding --negatives 4
  rag-eval convert data/handbook handbook-sentences --to beir --sentences
"""


@click.command(name="convert", epilog=EPILOG, short_help="Write a dataset in another format.")
@dataset_argument
@click.argument("target", metavar="TARGET", required=False, type=click.Path(path_type=Path))
@click.option("--to", "form", required=True, type=click.Choice(FORMATS), help="Format to write.")
@split_option
@click.option(
    "--negatives",
    default=1,
    show_default=True,
    type=click.IntRange(min=0),
    help="flag-embedding: minimum negatives per row.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed for drawing negatives.")
@click.option(
    "--sentences", is_flag=True, help="Judge single sentences: those of relevant documents that contain an answer."
)
@click.option("--overwrite", is_flag=True, help="Replace other content of TARGET under the same split, ids or name.")
@json_option
def command(
    dataset: str,
    target: Path | None,
    form: str,
    split: str,
    negatives: int,
    seed: int,
    sentences: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Read DATASET in any format, and write it to TARGET.

    beir and trec write folders, the others one file. Documents, questions and other splits already in a folder are
    kept. Ids survive a round trip through each format; what a format cannot hold is reported.
    With --sentences, a dataset of documents with answers becomes one of sentences, to train rerankers on.
    """
    from eval.datasets import convert
    from eval.datasets.answer_sentences import of_sentences
    from rag.cli.output import data, data_json

    if target is None:
        raise click.UsageError("Missing argument 'TARGET'.")
    read = dataset_of(dataset, split)
    if sentences:
        read = of_sentences(read)
    notes = [*read.notes, *convert(read, target, form, negatives=negatives, seed=seed, overwrite=overwrite)]
    if as_json:
        found = {"target": str(target), "format": form, "queries": len(read.queries), "documents": len(read.corpus)}
        data_json({**found, "hash": read.hash, "notes": notes})
        return
    show_notes(notes)
    data(f"{target}: {counted(len(read.queries), 'query')}, {counted(len(read.corpus), 'document')}")
