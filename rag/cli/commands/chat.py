"""``rag chat``"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import click

from indexes.errors import RagWrightError
from rag.cli.answering import AnswerScreen, answer_json
from rag.cli.options import Shared, asking_options, shared_options
from rag.cli.output import data, data_json, words
from rag.cli.progress import Waiting
from rag.retrieval.filter_text import parse_filters

COMMANDS = "/reset forgets the conversation, /quit ends"

EPILOG = """\b
Examples:
  rag chat
  printf 'What is a window?\\nHow wide is it?\\n' | rag chat --json

At the prompt /reset forgets the conversation and /quit (or Ctrl-D) ends it.
"""


@click.command("chat", epilog=EPILOG, short_help="Hold a conversation about the documents.")
@asking_options
@shared_options
def command(shared: Shared, trace: bool, conditions: tuple[str, ...]) -> None:
    """Hold a conversation about the documents, one question per line; with --json, one JSON line per turn."""
    from indexes import open_index
    from rag import build_chat_engine

    options: dict[str, Any] = {}
    if conditions:
        options["filters"] = parse_filters(conditions)
    answers = AnswerScreen(trace=trace)
    with open_index(shared.collection, settings=shared.settings) as index:
        engine = build_chat_engine(index, settings=shared.settings, **options)
        for line in questions():
            if line in ("/quit", "/exit", "/q"):
                break
            if line == "/reset":
                engine.reset()
                answers.shown_notes.clear()
                words("the conversation was forgotten")
            elif line.startswith("/"):
                words(f"unknown command '{line}': {COMMANDS}")
            elif line:
                turn(engine, line, as_json=shared.json, answers=answers)


def turn(engine: Any, question: str, *, as_json: bool, answers: AnswerScreen) -> None:
    """Answer one question; report a failure and let the conversation continue.

    >>> engine = SimpleNamespace(chat=lambda question: SimpleNamespace(response="At six [1].", metadata={}))
    >>> turn(engine, "When does it open?", as_json=True, answers=AnswerScreen())
    {"question": "When does it open?", "answer": "At six [1].", "status": null, "citations": [], "notes": [], "trace":
     {}, "error": null}
    """
    try:
        if not as_json and sys.stdout.isatty():
            with Waiting("searching") as waiting:
                stream = engine.stream(question)
                waiting.end()
            answers.searched_for(question, stream.searched)
            with Waiting("reading the passages") as waiting:
                answers.stream(stream, waiting)
            data()
            return
        response = engine.chat(question)
    except RagWrightError as error:
        words(f"rag: {error}")
        if as_json:
            empty = SimpleNamespace(response="", metadata={})
            data_json({**answer_json(question, empty), "error": str(error)}, line=True)
        return
    if as_json:
        data_json({**answer_json(question, response), "error": None}, line=True)
        sys.stdout.flush()  # a program at the other end waits for this line
    else:
        answers.show(response)
        data()


def questions() -> Iterator[str]:
    """Yield the lines of stdin; on a terminal with a prompt, line editing and history."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            yield line.strip()
        return
    try:
        import readline  # noqa: F401 - importing it gives input() editing and history; Windows has none
    except ImportError:
        words("line editing is not available here")
    words(COMMANDS)
    while True:
        try:
            yield input("> ").strip()
        except EOFError:
            data()
            return
