"""Split tables into rows: "caption — header: value; header: value" for search, the Markdown row for the answer.

Sentence encoders make little of bars and of numbers without their column. Two columns without a head become
"key: value".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from indexes.nodes.cutting import Limits, pieces
from indexes.text.sentences import Span

LABEL_CHARS = 120  # longest caption or heading before a row
LEAST_CHARS = 8  # labels and headers are not cut to less
HEAD_CHARS = 2000  # longest Markdown head that each row keeps
FRAME = 0.5  # maximum share of the encoder's length for label and header
_BAR = re.compile(r"(?<!\\)\|")
_CAPTION = re.compile(r"^(?:表格?|附表|续表|Table|TABLE|Tab\.)\s*[A-Z]?[\d一二三四五六七八九十]+[^\n]{0,100}$")


@dataclass(slots=True)
class TableRecord:
    r"""A row of a table: ``text`` for search; ``raw``, the document's text[start:end], to be read under ``head``.

    >>> from indexes.nodes.cutting import Limits
    >>> text = "| item | price |\n| --- | --- |\n| plum | 3 |"
    >>> [(row.text, row.raw) for row in iter_rows(text, 0, len(text), label="Fruit", limits=Limits())]
    [('Fruit — item: plum; price: 3', '| plum | 3 |')]
    """

    start: int
    end: int
    text: str
    raw: str
    head: str | None


def iter_rows(
    text: str, start: int, end: int, *, label: str, limits: Limits, prefix: str = ""
) -> Iterator[TableRecord]:
    r"""Yield the rows of the Markdown table ``text[start:end]``; rows too long for ``limits`` are cut.

    >>> text = "| name | price |\n| --- | --- |\n| tea | 3 |"
    >>> [row.text for row in iter_rows(text, 0, len(text), label="Menu", limits=Limits())]
    ['Menu — name: tea; price: 3']

    Args:
        label: the caption or the heading above; a caption in the table's first line takes precedence.
        prefix: further text for the encoder before each row.
    """
    lines = _lines(text, start, end)
    first = next(lines, None)
    if first is None:
        return
    if text[first.start] != "|" and (second := next(lines, None)) is not None:
        label, first = text[first.start : first.end], second
    headers: list[str] = []
    head: str | None = None
    line = next(lines, None)
    if line is not None and _is_rule(text, line):
        headers, head = cells_of(text[first.start : first.end]), text[first.start : line.end]
        line = next(lines, None)
        if len(headers) > 1 and sum(map(bool, headers)) == 1 and headers[0] and line is not None:
            label, headers = headers[0], cells_of(text[line.start : line.end])
            head = text[first.start : line.end]
            line = next(lines, None)
        if line is None:
            yield TableRecord(first.start, first.start + len(head), _sentence(label, headers, []), head, None)
            return
        head = _bounded_head(head, headers)
        label, headers = _bounded(label, headers, limits, prefix)
    elif line is None or not _is_rule(text, line):
        yield from _row(text, first, headers, head, label, limits, prefix)
    while line is not None:
        yield from _row(text, line, headers, head, label, limits, prefix)
        line = next(lines, None)


def _bounded(label: str, headers: list[str], limits: Limits, prefix: str) -> tuple[str, list[str]]:
    """Shorten label and headers, which are repeated in every piece of every row, to leave room for values."""
    chars = LABEL_CHARS
    while True:
        shorter, cut = " ".join(label.split())[:chars], [header[:chars] for header in headers]
        frame = f"{prefix}{shorter} — {max(cut, key=len, default='')}: "
        if chars <= LEAST_CHARS or (limits.tokens_over(frame) <= FRAME and len(frame) <= limits.max_chars * FRAME):
            return shorter, cut
        chars //= 2


def _bounded_head(head: str, headers: list[str]) -> str:
    """Return the head that each row keeps, with shortened cells if it is very long."""
    if len(head) <= HEAD_CHARS:
        return head
    chars = max(LEAST_CHARS, HEAD_CHARS // max(len(headers), 1))
    cells = " | ".join(header[:chars].replace("|", "\\|") for header in headers)
    return f"| {cells} |\n|{' --- |' * len(headers)}"


def caption_before(text: str, start: int) -> str:
    r"""Return the line above a table if it is a caption ("Table 3: ...", "表 3 ..."), else "".

    >>> caption_before("Table 3: prices\n\n| tea | 3 |", 17)
    'Table 3: prices'
    """
    above = text[max(0, start - 300) : start].rstrip().rpartition("\n")[2].strip().strip("*")
    return above if _CAPTION.match(above) else ""


def cells_of(line: str) -> list[str]:
    r"""Return the cells of a Markdown row, without escapes.

    >>> cells_of("| tea | 3 \\| 4 |")
    ['tea', '3 | 4']
    """
    inner = line.strip()
    inner = inner[1:] if inner.startswith("|") else inner
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(inner)]


def is_rule(line: str) -> bool:
    """Return whether a line is the rule below the head of a table.

    >>> is_rule("| --- | :-: |"), is_rule("| tea | 3 |")
    (True, False)
    """
    return "-" in line and not line.strip("|-: \t\r")


def _is_rule(text: str, line: Span) -> bool:
    return is_rule(text[line.start : line.end])


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    at = start
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        begin, finish = at, stop
        while begin < finish and text[begin].isspace():
            begin += 1
        while finish > begin and text[finish - 1].isspace():
            finish -= 1
        if finish > begin:
            yield Span(begin, finish)
        at = stop + 1


def _row(
    text: str, line: Span, headers: list[str], head: str | None, label: str, limits: Limits, prefix: str
) -> Iterator[TableRecord]:
    bars = [match.start() for match in _BAR.finditer(text, line.start, line.end)]
    if not bars or bars[0] != line.start:
        bars.insert(0, line.start - 1)
    if bars[-1] != line.end - 1:
        bars.append(line.end)

    def words_between(start: int, end: int) -> str:
        values = []
        for column in range(len(bars) - 1):
            a, b = max(bars[column] + 1, start), min(bars[column + 1], end)
            values.append(text[a:b].strip().replace("\\|", "|") if a < b else "")
        return _sentence(label, headers, values)

    for piece in pieces(text, line.start, line.end, limits, lambda a, b: prefix + words_between(a, b)):
        sentence = words_between(piece.start, piece.end)
        if sentence:
            yield TableRecord(piece.start, piece.end, sentence, text[piece.start : piece.end], head)


def _sentence(label: str, headers: list[str], values: list[str]) -> str:
    if not values:
        body = "; ".join(header for header in headers if header)
    elif headers and not any(headers) and len(values) == 2 and all(values):
        body = f"{values[0]}: {values[1]}"
    else:
        named = [*headers, *[""] * (len(values) - len(headers))]
        pairs = zip(named, values, strict=False)
        body = "; ".join(f"{header}: {value}" if header else value for header, value in pairs if value)
    label = " ".join(label.split())[:LABEL_CHARS]
    return f"{label} — {body}" if label and body else body
