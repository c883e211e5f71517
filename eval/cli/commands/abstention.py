"""rag-eval abstention: measure false answers and false refusals."""

from __future__ import annotations

import click

from eval.cli.options import MeasuringOptions, measuring, sample_options, show_notes, ticker
from rag.cli.options import setting

EPILOG = """\b
Examples:
  rag-eval abstention data/handbook data/faq --queries 40 --profile offline --no-rerank --no-llm
"""


@click.command(name="abstention", epilog=EPILOG, short_help="Measure false answers and false refusals.")
@click.argument("datasets", metavar="DATASET...", nargs=-1, required=True)
@sample_options(queries=50, documents=250)
@setting("--llm", "llm.provider", "Language model: ollama, openai, llama_cpp or none.", metavar="PROVIDER")
@click.option("--no-llm", is_flag=True, help="Measure extractive answers, without a language model.")
@measuring()
def command(given: MeasuringOptions, datasets: tuple[str, ...], documents: int) -> None:
    """Ask each question of DATASETs with all documents, and again without those that answer it.

    Prints the shares of questions answered correctly, refused although the documents answer them, and answered although
    they do not. The remaining documents are often on the same topic, as in RGB.
    """
    from eval.answers.abstention import measure_abstention
    from eval.answers.layouts import cut_documents
    from eval.report.table import table
    from rag.cli.output import data, data_json

    read = [cut_documents(given.read(path), documents) for path in datasets]
    found = []
    for dataset in read:
        with given.session(dataset) as session:
            engine = session.engine(given.shared.settings)
            with ticker(dataset.name) as tick:
                found.append(measure_abstention(engine, dataset, progress=tick))
    show_notes(dict.fromkeys(note for dataset in read for note in dataset.notes))
    if given.shared.json:
        data_json([row.as_dict() for row in found])
        return
    names = ["dataset", "questions", "right", "false refusals", "false answers"]
    data(table(names, [[*row.as_dict().values()] for row in found]))
