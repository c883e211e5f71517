"""How ``ask`` and ``chat`` show an answer."""

from __future__ import annotations

import re
from typing import Any

import click

from rag.cli.output import citations_text, clean, data, trace_text, words

MARKER = re.compile(r"\[\d+\]")


def answer_json(question: str, response: Any) -> dict[str, Any]:
    """{"question", "answer", "status", "citations", "trace"} of a LlamaIndex response."""
    metadata = response.metadata or {}
    return {
        "question": question,
        "answer": str(response.response or ""),
        "status": metadata.get("status"),
        "citations": metadata.get("citations", []),
        "trace": metadata.get("trace", {}),
    }


def print_notes(response: Any) -> None:
    """Every degradation and its reason, on stderr."""
    for note in (response.metadata or {}).get("notes", []):
        words(f"note: {note}")


def print_answer(response: Any, *, trace: bool) -> None:
    data(clean(str(response.response or "")))
    _print_rest(response, trace)


def print_stream(stream: Any, *, trace: bool) -> None:
    """Words as they come; then what was checked afterwards: citations, notes, and the text where that changed it."""
    shown = ""
    for token in stream.tokens():
        shown += token
        click.echo(clean(token), nl=False)
    data()
    response = stream.response
    print_notes(response)
    answer = str(response.response or "")
    if answer.split() != shown.split():
        only_marked = MARKER.sub("", answer).split() == shown.split()
        title = "With the passages that support it" if only_marked else "After checking the citations"
        data(f"\n{title}:\n{clean(answer)}")
    _print_rest(response, trace)


def _print_rest(response: Any, trace: bool) -> None:
    metadata = response.metadata or {}
    if citations := metadata.get("citations"):
        data("\n" + citations_text(citations))
    if found := metadata.get("nearest"):
        data("\nnearest:")
        for row in found:
            place = ", ".join(str(part) for part in (row["source"], row["heading"]) if part)
            data(clean(f"  {place}: {row['text']}"))
    if trace and (stages := metadata.get("trace")):
        data("\n" + trace_text(stages))
