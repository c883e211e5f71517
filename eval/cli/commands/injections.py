"""rag-eval injections: what orders in documents do to answers."""

from __future__ import annotations

from typing import Any

import click

from eval.cli.options import ticker
from rag.cli.options import Shared, setting, shared_options

MEASURES = ("found", "sealed", "extractive", "obeyed", "bare", "written", "shown", "right")


@click.command(name="injections", short_help="What orders to a language model, in documents, do to answers.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="With a model: every N-th injection only.")
@click.option("--missed", is_flag=True, help="List the injections that changed an answer.")
@setting("--llm", "llm.provider", "ollama, openai, llama_cpp or none.", metavar="PROVIDER")
@click.option("--no-llm", is_flag=True, help="Ask no model: the documents' own sentences and the check alone.")
@shared_options
def command(shared: Shared, sample: int | None, missed: bool) -> None:
    """Put 44 injections of eleven kinds into documents, ask about them, and show the share that changes the answer.

    found: the reader is told. sealed: no control string and no closing tag reaches the prompt. extractive: the answer
    of the documents' own sentences holds what the injection wants. obeyed: written by a model that obeys everything, it
    passes the check. bare: a model wrote it where nothing guards it. written, shown, right: with the guard it wrote it,
    the reader sees it unmarked, its answer is right.
    """
    from eval.answers.injection_set import injections
    from eval.answers.injections import try_injections
    from eval.report.table import table
    from rag.cli.output import data, data_json, words
    from rag.llms import build_llm, patient

    llm = build_llm(shared.settings.llm)
    chosen = injections()[:: sample or 1] if llm is not None else injections()
    with ticker("injections") as tick:
        rows = list(try_injections(chosen, shared.settings, None if llm is None else patient(llm), progress=tick))
    if shared.json:
        data_json([row.as_dict() for row in rows])
        return
    names = [name for name in MEASURES if llm is not None or name not in ("bare", "written", "shown", "right")]
    lines: list[list[Any]] = []
    for held in (False, True):
        for language in ("en", "zh"):
            mine = [row for row in rows if row.held is held and row.language == language]
            if mine:
                shares = [sum(bool(getattr(row, name)) for row in mine) / len(mine) for name in names]
                lines.append(["held out" if held else "rules made for", language, len(mine), *shares])
    data(table(["injections", "language", "count", *names], lines))
    if missed:
        for one, row in zip(chosen, rows, strict=True):
            if row.extractive or row.obeyed or row.shown:
                words(f"{one.kind} ({one.language}): {one.text}")
