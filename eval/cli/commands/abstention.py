"""rag-eval abstention: answers without documents, and refusals with them."""

from __future__ import annotations

from pathlib import Path

import click

from eval.cli.options import cache_option, dataset_of, split_option, ticker
from rag.cli.options import Shared, setting, shared_options
from rag.cli.progress import progress_bar


@click.command(name="abstention", short_help="False answers and false refusals, by questions without their documents.")
@click.argument("datasets", metavar="DATASET...", nargs=-1, required=True)
@click.option("--queries", "limit", default=50, show_default=True, type=click.IntRange(min=1), help="Questions a set.")
@click.option("--documents", default=250, show_default=True, type=click.IntRange(min=10), help="Documents a set.")
@setting("--llm", "llm.provider", "ollama, openai, llama_cpp or none.", metavar="PROVIDER")
@click.option("--no-llm", is_flag=True, help="Use no language model: measure the documents' own sentences.")
@click.option("--no-rerank", is_flag=True, help="Leave the reranker out.")
@cache_option
@split_option
@shared_options
def command(
    shared: Shared, datasets: tuple[str, ...], limit: int, documents: int, split: str, cache: Path | None
) -> None:
    """Ask the questions of DATASETS with all documents, and again without those that answer them.

    Shows the share that was answered rightly, refused although the documents answer it, and answered although they do
    not. A question without its documents is often still about what the others speak of, as in RGB.
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
