"""rag-eval convert: write a dataset in another format."""

from __future__ import annotations

from pathlib import Path

import click

from eval.cli.options import dataset_argument, dataset_of, split_option

FORMATS = ("beir", "trec", "mteb", "llama-index", "flag-embedding")


@click.command(name="convert", short_help="Write a dataset in another format.")
@dataset_argument
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path))
@click.option("--to", "form", required=True, type=click.Choice(FORMATS), help="Format to write.")
@split_option
@click.option(
    "--negatives", default=1, show_default=True, type=click.IntRange(min=0), help="flag-embedding: negatives a row."
)
@click.option("--seed", default=0, show_default=True, help="For negatives drawn at random.")
@click.option("--json", "as_json", is_flag=True, envvar="RAG_JSON", help="Print JSON.  [env: RAG_JSON]")
def command(dataset: str, target: Path, form: str, split: str, negatives: int, seed: int, as_json: bool) -> None:
    """Read DATASET, whatever its format, and write it to TARGET.

    beir and trec are folders, the others one file. Ids come back from every format; what a format cannot hold is said.
    """
    from eval.datasets import convert
    from rag.cli.output import data, data_json, words

    read = dataset_of(dataset, split)
    notes = [*read.notes, *convert(read, target, form, negatives=negatives, seed=seed)]
    if as_json:
        found = {"target": str(target), "format": form, "queries": len(read.queries), "documents": len(read.corpus)}
        data_json({**found, "hash": read.hash, "notes": notes})
        return
    for note in notes:
        words(f"note: {note}")
    data(f"{target}: {len(read.queries)} queries, {len(read.corpus)} documents")
