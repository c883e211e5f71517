"""Show an answer in ``ask``, ``chat`` and ``demo``: the answer, its sources, then the notes."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import click

from indexes.display import Bilingual, counted, text_in
from rag.cli.output import clean, data, note, place, trace_text
from rag.cli.page import Flow, cut, dim, marked, out_width, unmarked, wrapped
from rag.cli.progress import Waiting

MARKER = re.compile(r"\s*\[\d+\]")
SHOWN_CHARS = 300  # of a cited sentence; JSON has all of it
NOT_CITED = Bilingual("matched, not cited by the model", "自动匹配，不是模型所引")
CLOSEST = Bilingual("Closest passages:", "最接近的段落：")
ONLY_MARKS = Bilingual("With the passages that support it:", "附上支持它的段落：")
CHECKED = Bilingual("After checking the citations:", "核查引用之后：")


def answer_json(question: str, response: Any) -> dict[str, Any]:
    """Return {"question", "answer", "status", "citations", "notes", "trace"} of a response.

    >>> from types import SimpleNamespace
    >>> response = SimpleNamespace(response="It opens at 6 [1].", metadata={"status": "answered"})
    >>> answer_json("When does it open?", response)
    {'question': 'When does it open?', 'answer': 'It opens at 6 [1].', 'status': 'answered', 'citations': [], 'notes':
     [], 'trace': {}}
    """
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
    """Show the answers of one conversation.

    >>> from types import SimpleNamespace
    >>> cited = {"number": 1, "source": "harbour.md", "heading": None, "page": 2, "text": "The harbour opens at 6."}
    >>> AnswerScreen().show(SimpleNamespace(response="It opens at 6 [1].", metadata={"citations": [cited]}))
    It opens at 6 [1].
    <BLANKLINE>
    [1] harbour.md, page 2
        “The harbour opens at 6.”

    Args:
        trace: whether to show each stage after the answer.
        shown_notes: notes already shown; each is shown once.
    """

    trace: bool = False
    shown_notes: set[str] = field(default_factory=set)

    def show(self, response: Any) -> None:
        """Show a whole answer."""
        self.searched(response.metadata or {})
        text = unmarked(clean(str(response.response or "")))
        data(marked(wrapped(text, out_width())), styled=True)
        self._after(response)

    def stream(self, stream: Any, waiting: Waiting | None = None) -> None:
        """Show an answer word by word.

        If the check changes words that were shown, the checked answer replaces them on a terminal, and follows them
        elsewhere.

        Args:
            waiting: ended at the first word.
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
            self._replace(answer, shown, flow.rows + 1, language_of(response.metadata or {}))
        self._after(response)

    def searched(self, metadata: Mapping[str, Any]) -> None:
        """Show the rewritten follow-up question."""
        trace = metadata.get("trace") or {}
        self.searched_for(str(trace.get("question") or ""), str(trace.get("searched") or ""))

    def searched_for(self, question: str, searched: str) -> None:
        """Show "(searched: ...)" if it is not the question."""
        if searched and " ".join(searched.split()) != " ".join(question.split()):
            data(dim(wrapped(f"(searched: {unmarked(clean(searched))})", out_width())), styled=True)

    def _replace(self, answer: str, shown: str, rows: int, language: str) -> None:
        text = marked(wrapped(unmarked(clean(answer)), out_width()))
        if sys.stdout.isatty() and rows < shutil.get_terminal_size().lines:
            _print(f"\x1b[{rows}A\r\x1b[J")
        elif shown.rstrip().endswith(answer.strip()):
            return  # the model's text was discarded, and the answer that counts follows
        else:
            only_marks = MARKER.sub("", answer).split() == shown.split()
            data("\n" + text_in(ONLY_MARKS if only_marks else CHECKED, language))
        data(text, styled=True)

    def _after(self, response: Any) -> None:
        metadata = response.metadata or {}
        answer, language = str(response.response or ""), language_of(metadata)
        if citations := metadata.get("citations"):
            data("\n" + sources_text(citations, answer, out_width(), language), styled=True)
        if found := metadata.get("nearest"):
            data("\n" + text_in(CLOSEST, language))
            for row in found:
                data(_source_line("", row, out_width()), styled=True)
                data(wrapped(unmarked(clean(" ".join(row["text"].split()))), out_width(), "    "), styled=True)
        if self.trace and (stages := metadata.get("trace")):
            data("\n" + trace_text(stages))
        fresh = [text for text in metadata.get("notes", []) if text not in self.shown_notes]
        self.shown_notes.update(fresh)
        for number, text in enumerate(fresh):
            note(text, apart=number == 0, language=language)


def language_of(metadata: Mapping[str, Any]) -> str:
    """Return the language of an answer's question, "en" or "zh"; "en" if the answer does not know it.

    >>> language_of({"trace": {"language": "zh"}}), language_of({})
    ('zh', 'en')
    """
    return str((metadata.get("trace") or {}).get("language") or "en")


def sources_text(citations: Sequence[Mapping[str, Any]], answer: str, width: int | None, language: str = "en") -> str:
    """Return a line per source, and below it the cited sentences that the answer does not quote.

    >>> cited = {"number": 1, "source": "harbour.md", "heading": None, "page": 2, "text": "The harbour opens at 6."}
    >>> print(click.unstyle(sources_text([cited], "It opens at 6 [1].", width=None)))
    [1] harbour.md, page 2
        “The harbour opens at 6.”
    >>> print(click.unstyle(sources_text([cited], "The harbour opens at 6 [1].", width=None)))  # quotes the sentence
    [1] harbour.md, page 2
    """
    lines: list[str] = []
    quoted = _bare(answer)
    ordered = sorted(citations, key=lambda citation: int(citation["number"]))
    for number, group in groupby(ordered, key=lambda citation: int(citation["number"])):
        rows = list(group)
        remarks = [text_in(NOT_CITED, language)] if all(row.get("matched") for row in rows) else []
        if more := len(rows[0].get("more_places") or ()):
            remarks.append(text_in(Bilingual(f"and {counted(more, 'more place')}", f"另有 {more} 处"), language))
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
    """Return a text without marks and white space, to find out whether one text holds another."""
    return "".join(MARKER.sub("", text).split())


def _print(text: str) -> None:
    if text:
        click.echo(text, nl=False)
