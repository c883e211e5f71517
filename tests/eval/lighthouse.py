"""A small collection of our own, written as BEIR, and the command run inside the test's process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from eval.cli.main import main

DOCUMENTS = {
    "lamp": (
        "The lamp",
        "The lamp of Skerry Rock is lit forty minutes before sunset. It turns once in twelve seconds.",
    ),
    "water": ("Water", "Fresh water is stored in two tanks of 900 litres. The tanks are cleaned every spring."),
    "boat": ("Supplies", "The supply boat comes on the first Tuesday of each month. The keeper signs a list."),
    "fog": ("Fog", "In fog the horn sounds three times a minute. A boy from the village used to wind its clockwork."),
    "birds": ("Birds", "Puffins nest on the northern cliff. Nobody walks there between April and July."),
}
QUERIES = {
    "1": ("When is the lamp lit?", ["forty minutes before sunset"], {"lamp": 1, "fog": 0}),
    "2": ("How much fresh water can be stored?", [["900 litres"], ["two tanks"]], {"water": 2, "lamp": 1}),
    "3": ("On which day does the boat bring supplies?", ["first Tuesday"], {"boat": 1}),
    "4": ("Who repairs the roof?", [], {"birds": 0}),
}


def write_beir(folder: Path, *, corpus: bool = True) -> Path:
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": i, "title": title, "text": text} for i, (title, text) in DOCUMENTS.items()]
    if corpus:
        (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    asked = [{"_id": i, "text": text, "answers": answers} for i, (text, answers, _) in QUERIES.items()]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    lines = [f"{q}\t{d}\t{value}" for q, (_, _, judged) in QUERIES.items() for d, value in judged.items()]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(lines), encoding="utf-8")
    return folder


def rag_eval(environ: dict[str, str | None]) -> Callable[..., Result]:
    """``call("run", ...)`` in this process, with no RAG_ variable but the given ones."""
    clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("RAG_")}

    def invoke(*args: str) -> Result:
        return CliRunner().invoke(main, list(args), env={**clean, **environ})

    return invoke
