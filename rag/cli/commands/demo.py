"""``rag demo``: index documents and answer questions, for newcomers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from indexes.display import Bilingual, counted, text_in
from rag.cli.options import Shared, shared_options
from rag.cli.output import clean, data, data_json, megabytes, words
from rag.cli.page import dim
from rag.cli.progress import progress_bar

DEFAULT = "qwen2.5-coder-1.5b"

EPILOG = """\b
Examples:
  rag demo docs/ -q "How are overlapping windows merged?" -q "窗口如何合并？"
  rag demo docs/ --no-fetch -q "How are overlapping windows merged?" --json
"""


@click.command("demo", epilog=EPILOG, short_help="Index documents, and show answers with citations.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@click.option("-q", "--question", "questions", multiple=True, help="Question to ask; repeatable.")
@click.option("--fetch", default=DEFAULT, show_default=True, metavar="NAME", help="Model to fetch if there is none.")
@click.option("--no-fetch", is_flag=True, help="Fetch no model.")
@click.option("--trace", is_flag=True, envvar="RAG_TRACE", help="Show what each stage did.  [env: RAG_TRACE]")
@shared_options
def command(
    shared: Shared, paths: tuple[str, ...], questions: tuple[str, ...], fetch: str, no_fetch: bool, trace: bool
) -> None:
    """Index PATHs with the models of the profile, and answer the questions: answer, citations, seconds.

    The documents join the collection of --collection, else the default one, where 'rag ask' finds them too.

    The language model is that of a running Ollama server, else a fetched one, else one is fetched first, after its size
    is shown. If none is available, answers are the documents' own sentences, and a note says so.
    """
    from indexes import build_index
    from indexes.ingest.walk_files import named
    from rag import build_query_engine
    from rag.cli.answering import AnswerScreen, answer_json, language_of
    from rag.cli.commands.model import byte_bar
    from rag.models import CATALOGUE, auto_model
    from rag.models.choose import choose_model
    from rag.settings import LLMSettings, Settings

    def say(sentence: str) -> None:
        if not shared.json:
            words(sentence)

    for path in paths:
        named(Path(path).expanduser())  # before a model is downloaded for nothing
    if not no_fetch and auto_model() is None and fetch in CATALOGUE:
        say(f"looking for a language model; {fetch} would be a download of {megabytes(CATALOGUE[fetch].size)}")
    with byte_bar(fetch) as tick:
        choice = choose_model(None if no_fetch else fetch, preferred=LLMSettings().model, progress=tick)
    for sentence in choice.words:
        say(sentence)
    tree = shared.settings.model_dump()
    tree["llm"].update(choice.llm)
    settings = Settings.model_validate(tree)
    started = time.monotonic()
    found: list[dict[str, Any]] = []
    answers = AnswerScreen(trace=trace)
    with progress_bar() as progress:  # closed before the first answer, so that the bar is not drawn into it
        index = build_index(list(paths), collection=shared.collection, settings=settings, progress=progress)
    with index:
        report = index.report
        assert report is not None  # noqa: S101 - build_index always reports
        say(
            f"{counted(index.count, 'sentence', verb='are')} indexed ({report.sentences_added} "
            f"new, in {time.monotonic() - started:.0f} s)"
        )
        engine = build_query_engine(index, settings=settings)
        for question in questions:
            started = time.monotonic()
            if not shared.json:
                data(f"\n{click.style(f'> {clean(question)}', bold=True)}\n", styled=True)
            response = engine.answer(question)
            seconds = time.monotonic() - started
            found.append({**answer_json(question, response), "seconds": round(seconds, 1)})
            if shared.json:
                continue
            answers.show(response)
            line = text_in(_who(response, settings.llm.model, seconds), language_of(response.metadata or {}))
            data(dim(f"\n{line}"), styled=True)
    if shared.json:
        data_json({"llm": choice.llm, "notes": choice.words, "answers": found})
    elif not questions:
        words('now ask it: rag ask "question", or rag demo PATH -q "question"')


def _who(response: Any, model: str, seconds: float) -> Bilingual:
    """Return who answered, and how long it took: "(answered by qwen2.5-coder-1.5b, 3.1 seconds)"."""
    status = str((response.metadata or {}).get("status"))
    who, chinese = {
        "answered": (f"answered by {model}", f"由 {model} 回答"),
        "direct": (f"answered by {model}", f"由 {model} 回答"),
        "extractive": ("the documents' own sentences", "文档原句"),
        "not_found": ("not found", "没有找到"),
    }.get(status, (status, status))
    return Bilingual(f"({who}, {seconds:.1f} seconds)", f"（{chinese}，用时 {seconds:.1f} 秒）")
