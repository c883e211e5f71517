"""rag-eval abstention: measure false answers and false refusals."""

from __future__ import annotations

from pathlib import Path

import click

from eval.cli.options import cache_option, dataset_of, split_option, ticker
from rag.cli.options import Shared, setting, shared_options
from rag.cli.progress import progress_bar

EPILOG = """\b
Examples:
  rag-eval abstention data/handbook data/faq --queries 40 --profile offline --no-rerank --no-llm
"""


@click.command(name="abstention", epilog=EPILOG, short_help="Measure false answers and false refusals.")
@click.argument("datasets", metavar="DATASET...", nargs=-1, required=True)
@click.option(
    "--queries",
    "limit",
    default=50,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of questions per dataset.",
)
@click.option(
    "--documents", default=250, show_default=True, type=click.IntRange(min=10), help="Number of documents per dataset."
)
@setting("--llm", "llm.provider", "Language model: ollama, openai, llama_cpp or none.", metavar="PROVIDER")
@click.option("--no-llm", is_flag=True, help="Measure extractive answers, without a language model.")
@click.option("--no-rerank", is_flag=True, help="Do not rerank.")
@cache_option
@split_option
@shared_options
def command(
    shared: Shared, datasets: tuple[str, ...], limit: int, documents: int, split: str, cache: Path | None
) -> None:
    """Ask each question of DATASETs with all documents, and again without those that answer it.

    Prints the shares of questions answered correctly, refused although the documents answer them, and answered although
    they do not. The remaining documents are often on the same topic, as in RGB.
    """
    from eval.answers.abstention import measure_abstention
    from eval.answers.layouts import cut_documents
    from eval.measure.session import Session
    from eval.report.table import table
    from rag.cli.output import data, data_json, words

    read = [cut_documents(dataset_of(path, split, limit), documents) for path in datasets]
    found = []
    for dataset in read:
        with Session(dataset, cache=cache, progress=progress_bar) as session:
            engine = session.engine(shared.settings)
            with ticker(dataset.name) as tick:
                found.append(measure_abstention(engine, dataset, progress=tick))
    for note in dict.fromkeys(note for dataset in read for note in dataset.notes):
        words(f"note: {note}")
    if shared.json:
        data_json([row.as_dict() for row in found])
        return
    names = ["dataset", "questions", "right", "false refusals", "false answers"]
    data(table(names, [[*row.as_dict().values()] for row in found]))
