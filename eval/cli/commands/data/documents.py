"""rag-eval documents: ask our questions about real documents."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from eval.cli.options import cache_option, pipeline_option, settings_with, show_notes, ticker
from indexes.display import counted
from rag.cli.options import Shared, setting, shared_options

EPILOG = """\b
Examples:
  rag-eval documents FOLDER --profile offline --only 'md_*/*' --pipeline base --pipeline place=dense_place:0.2
"""


@click.command(
    name="documents", epilog=EPILOG, short_help="Measure pipelines on 122 questions about manuals, PDF and Word files."
)
@click.argument("folder", type=click.Path(path_type=Path))
@pipeline_option("Name and settings of a pipeline, as for 'rag-eval run'; the others are compared with the first.")
@click.option("--only", multiple=True, metavar="PATTERN", help="Pattern of files to use, e.g. 'md_*/*'; repeatable.")
@setting("--llm", "llm.provider", "Language model: ollama, openai, llama_cpp or none.", metavar="PROVIDER")
@click.option("--no-rerank", is_flag=True, help="Do not rerank.")
@cache_option
@shared_options
def command(shared: Shared, folder: Path, specs: tuple[str, ...], only: tuple[str, ...], cache: Path | None) -> None:
    """Ask 122 questions that come with the package about the documents in FOLDER, which do not.

    Each question has evidence in the text: a sentence that overlaps it is a hit. Files whose text has changed since the
    questions were written are named and left out.
    """
    from eval.documents.questions import fitting, load_questions, read_documents
    from eval.documents.run import measure_documents
    from eval.measure.session import parse_spec, with_changes
    from eval.report.table import table
    from rag.cli.output import data, data_json, words

    parsed = [parse_spec(text) for text in specs or ("base",)]
    pipelines = {spec.name: with_changes(partial(settings_with, shared), spec) for spec in parsed}
    questions_of_page = load_questions(only=only)
    documents = read_documents(folder, questions_of_page)
    questions, notes = fitting(questions_of_page, documents)
    show_notes(notes)
    with ticker("questions") as tick:
        found = measure_documents(documents, questions, pipelines, cache=cache, progress=tick)
    rows = [outcome.as_dict() for outcome in found]
    if shared.json:
        data_json({"questions": len(questions), "files": len(documents), "pipelines": rows})
        return
    words(f"{counted(len(questions), 'question')} about {counted(len(documents), 'file')}")
    data(table(list(rows[0]), [["" if value is None else value for value in row.values()] for row in rows]))
