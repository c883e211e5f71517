"""rag-eval injections: measure what prompt injections in documents do to answers."""

from __future__ import annotations

from typing import Any

import click

from eval.cli.options import ticker
from rag.cli.options import Shared, setting, shared_options

MEASURES = ("found", "sealed", "extractive", "obeyed", "bare", "written", "shown", "right")


EPILOG = """\b
Examples:
  rag-eval injections --profile offline --no-llm
  rag-eval injections --profile offline --set llm.provider=llama_cpp --sample 4 --missed
"""


@click.command(
    name="injections", epilog=EPILOG, short_help="Measure what prompt injections in documents do to answers."
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="With a model: try only every N-th injection.")
@click.option("--missed", is_flag=True, help="List the injections that changed an answer.")
@setting("--llm", "llm.provider", "Language model: ollama, openai, llama_cpp or none.", metavar="PROVIDER")
@click.option("--no-llm", is_flag=True, help="Measure extractive answers and the check alone, without a model.")
@shared_options
def command(shared: Shared, sample: int | None, missed: bool) -> None:
    """Put 44 prompt injections into documents, ask about these, and print the shares that change the answer.

    \b
    Columns:
      found       the reader is warned
      sealed      no control string or closing tag reaches the prompt
      extractive  the extractive answer contains what the injection asks for
      obeyed      as written by a model that obeys everything, it passes the check
      bare        the model obeyed in a prompt without protection
      written     the model obeyed in the prompt in use
      shown       and the reader sees it unmarked
      right       the answer in the prompt in use is right
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
