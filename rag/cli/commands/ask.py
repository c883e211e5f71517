"""``rag ask QUESTION``, and ``rag QUESTION``"""

from __future__ import annotations

import sys
from typing import Any

import click

from rag.cli.answering import AnswerScreen, answer_json, language_of
from rag.cli.options import Shared, asking_options, one_question, shared_options
from rag.cli.output import data_json, note
from rag.cli.progress import Waiting
from rag.cli.server import as_response, options_of, running_server
from rag.retrieval.filter_text import parse_filters

EPILOG = """\b
Examples:
  rag ask "How are overlapping windows merged?"
  rag "窗口如何合并？" --trace
  rag ask "What changed in 2024?" --filter year=2024 --json
  rag ask "How are windows merged?" --no-llm
"""


@click.command("ask", epilog=EPILOG, short_help="Answer a question, with citations.")
@click.argument("question", nargs=-1, required=True)
@asking_options
@shared_options
def command(shared: Shared, question: tuple[str, ...], trace: bool, conditions: tuple[str, ...]) -> None:
    """Answer a question from the documents, with numbered citations.

    Without a language model, or if it cannot be reached, the answer consists of the documents' own sentences, and a
    note says so.
    """
    text = one_question(question)
    answers = AnswerScreen(trace=trace)
    server = running_server(shared)
    if server is not None:
        with server, Waiting("asking the running server"):
            found = server.ask(text, shared.collection, **options_of(shared, conditions))
        _show(shared, text, as_response(found, server.url), answers)
        return
    from indexes import open_index
    from rag.assembly import build_answers

    filters = parse_filters(conditions) if conditions else None
    with (
        Waiting("opening the collection and its models") as waiting,
        open_index(shared.collection, settings=shared.settings) as index,
    ):
        engine = build_answers(index, shared.settings, filters)
        waiting.now("searching")
        if not shared.json and sys.stdout.isatty():
            stream = engine.stream(text)
            waiting.now("reading the passages")
            answers.stream(stream, waiting)
            return
        response = engine.answer(text)
    _show(shared, text, response, answers)


def _show(shared: Shared, question: str, response: Any, answers: AnswerScreen) -> None:
    if not shared.json:
        answers.show(response)
        return
    data_json(answer_json(question, response))
    metadata = response.metadata or {}
    for text in metadata.get("notes", []):
        note(text, language=language_of(metadata))
