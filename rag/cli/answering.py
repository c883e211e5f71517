"""How ``ask``, ``chat`` and ``demo`` show an answer: the answer first and once, its sources, then the notes."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import click

from rag.cli.output import clean, data, note, place, trace_text
from rag.cli.page import Flow, cut, dim, marked, out_width, unmarked, wrapped
from rag.cli.progress import Waiting

MARKER = re.compile(r"\s*\[\d+\]")
SHOWN_CHARS = 300  # of a cited sentence; JSON has it whole
NOT_CITED = "matched, not cited by the model"


def answer_json(question: str, response: Any) -> dict[str, Any]:
    """{"question", "answer", "status", "citations", "notes", "trace"} of a LlamaIndex response."""
    metadata = response.metadata or {}
    return {
        "question": question,
        "answer": str(response.response or ""),
        "status": metadata.get("status"),
        "citations": metadata.get("citations", []),
        "notes": metadata.get("notes", []),
        "trace": metadata.get("trace", {}),
    }


@dataclass
class AnswerScreen:
    """Shows the answers of one conversation.

    Args:
        trace: show each stage after the answer.
        shown_notes: notes that were shown; each is shown once.
    """

    trace: bool = False
    shown_notes: set[str] = field(default_factory=set)

    def show(self, response: Any) -> None:
        """An answer that is there as a whole."""
        self.searched(response.metadata or {})
        text = unmarked(clean(str(response.response or "")))
        data(marked(wrapped(text, out_width())), styled=True)
        self._after(response)

    def stream(self, stream: Any, waiting: Waiting | None = None) -> None:
        """An answer whose words come one by one.

        Where the check changed what was shown already, a terminal gets the checked answer in its place; elsewhere it
        follows.

        Args:
            waiting: ended when the first word comes.
        """
        flow, shown = Flow(out_width()), ""
        for token in stream.tokens():
            if waiting is not None and token.strip():
                waiting.end()
            if not shown.strip():
                token = token.lstrip("\n")
            shown += token
            _print(marked(flow.feed(unmarked(clean(token)))))
        _print(marked(flow.finish()))
        if waiting is not None:
            waiting.end()
        data()
        response = stream.response
        answer = str(response.response or "")
        if answer.split() != shown.split():
            self._replace(answer, shown, flow.rows + 1)
        self._after(response)

    def searched(self, metadata: Mapping[str, Any]) -> None:
        """What a conversation made of a follow-up question."""
        trace = metadata.get("trace") or {}
        self.searched_for(str(trace.get("question") or ""), str(trace.get("searched") or ""))

    def searched_for(self, question: str, searched: str) -> None:
        """ "(searched: ...)" where that is not the question."""
        if searched and " ".join(searched.split()) != " ".join(question.split()):
            data(dim(wrapped(f"(searched: {unmarked(clean(searched))})", out_width())), styled=True)

    def _replace(self, answer: str, shown: str, rows: int) -> None:
        text = marked(wrapped(unmarked(clean(answer)), out_width()))
        if sys.stdout.isatty() and rows < shutil.get_terminal_size().lines:
            _print(f"\x1b[{rows}A\r\x1b[J")
        elif shown.rstrip().endswith(answer.strip()):
            return  # what the model wrote was given up, and the answer that counts stands below it
        else:
            only_marks = MARKER.sub("", answer).split() == shown.split()
            data("\nWith the passages that support it:" if only_marks else "\nAfter checking the citations:")
        data(text, styled=True)

    def _after(self, response: Any) -> None:
        metadata = response.metadata or {}
        answer = str(response.response or "")
        if citations := metadata.get("citations"):
            data("\n" + sources_text(citations, answer, out_width()), styled=True)
        if found := metadata.get("nearest"):
            data("\nClosest passages:")
            for row in found:
                data(_source_line("", row, out_width()), styled=True)
                data(wrapped(unmarked(clean(" ".join(row["text"].split()))), out_width(), "    "), styled=True)
        if self.trace and (stages := metadata.get("trace")):
            data("\n" + trace_text(stages))
        fresh = [text for text in metadata.get("notes", []) if text not in self.shown_notes]
        self.shown_notes.update(fresh)
        for number, text in enumerate(fresh):
            note(text, apart=number == 0)


def sources_text(citations: Sequence[Mapping[str, Any]], answer: str, width: int | None) -> str:
    """One line a source, and below it the sentences that the answer does not quote anyway."""
    lines: list[str] = []
    quoted = _bare(answer)
    ordered = sorted(citations, key=lambda citation: int(citation["number"]))
    for number, group in groupby(ordered, key=lambda citation: int(citation["number"])):
        rows = list(group)
        remarks = [NOT_CITED] if all(row.get("matched") for row in rows) else []
        if more := len(rows[0].get("more_places") or ()):
            remarks.append(f"and {more} more place{'s' if more > 1 else ''}")
        lines.append(_source_line(f"[{number}] ", rows[0], width, "; ".join(remarks)))
        for text in dict.fromkeys(" ".join(str(row["text"]).split()) for row in rows):
            if _bare(text) and _bare(text) not in quoted:
                lines.append(wrapped(cut(f"“{unmarked(clean(text))}”", SHOWN_CHARS), width, "    "))
    return "\n".join(lines)


def _source_line(mark: str, row: Mapping[str, Any], width: int | None, remark: str = "") -> str:
    room = None if width is None else width - len(mark) - (len(remark) + 4 if remark else 0)
    where = place(str(row["source"]), row.get("heading"), row.get("page"), row.get("place"), room=room)
    return marked(mark) + dim(f"{where}  ({remark})" if remark else where)


def _bare(text: str) -> str:
    """A text without its marks and white space, for telling whether one holds the other."""
    return "".join(MARKER.sub("", text).split())


def _print(text: str) -> None:
    if text:
        click.echo(text, nl=False)
