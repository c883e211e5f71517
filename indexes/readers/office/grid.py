"""Rows of cells (sheets, csv) to tables: long ones in pieces that repeat the head, so that each piece is whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from indexes.readers.builder import OutlineBuilder

PIECE_ROWS = 40  # rows of one table section; a longer table goes on in the next, under the same head
_NUMBER = re.compile(
    r"[-+(]?[\s$€£¥￥]*[\d.,'\s]*\d[\d.,'\s]*[%)]?"
    r"|\d{1,4}[-/.:]\d{1,2}(?:[-/.:]\d{1,4})?(?:[ T][\d:.]+)?"
)
_MAX_COLUMNS = 512


@dataclass(slots=True)
class Row:
    """Cells of one row, with its 1-based number in the file."""

    number: int
    cells: list[str] = field(default_factory=list)


def is_number(text: str) -> bool:
    return len(text) < 40 and _NUMBER.fullmatch(text) is not None


def looks_like_head(first: Sequence[str], following: Sequence[Sequence[str]]) -> bool:
    """Is the first row of a table its head? Words, each once, over rows that are filled otherwise."""
    names = [cell for cell in first if cell]
    if not names or any(is_number(name) or len(name) > 120 for name in names) or len(set(names)) < len(names):
        return False
    return len(names) * 2 >= max((sum(map(bool, row)) for row in following), default=0)


def add_table(
    builder: OutlineBuilder, rows: Iterable[Row], *, where: str, caption: str = "", told: bool = False
) -> bool:
    """Put rows into ``builder`` as tables of at most ``PIECE_ROWS``; True: the first row was taken as the head.

    Without a head that can be told, the table's head is empty.

    Args:
        where: put before the row numbers in the sections' place ("Prices!", "rows ").
        caption, told: as ``OutlineBuilder.table``; every piece carries the caption.
    """
    iterator = iter(rows)
    ahead = list(islice(iterator, 6))
    if not ahead:
        return True
    has_head = looks_like_head(ahead[0].cells, [row.cells for row in ahead[1:]])
    if has_head:
        head = ahead.pop(0)
        if not ahead:
            _piece(builder, head.cells, [], where, head.number, caption, told)
            return True
    else:
        width = max(len(row.cells) for row in ahead)
        head = Row(ahead[0].number, [""] * width)
    if all(sum(map(bool, row.cells)) <= 1 for row in [head, *ahead]) and len(ahead) < 6:
        for row in [head, *ahead] if has_head else ahead:  # one column of words is text
            builder.place = f"{where}{row.number}"
            builder.paragraph(" ".join(cell for cell in row.cells if cell), glue="\n")
        return has_head
    piece: list[Row] = []
    for row in chain(ahead, iterator):
        if len(row.cells) > len(head.cells):
            head.cells += [""] * (len(row.cells) - len(head.cells))
        piece.append(row)
        if len(piece) == PIECE_ROWS:
            _piece(builder, head.cells, piece, where, head.number, caption, told)
            told, piece = True, []
    if piece:
        _piece(builder, head.cells, piece, where, head.number, caption, told)
    return has_head


def _piece(
    builder: OutlineBuilder, head: list[str], rows: list[Row], where: str, head_number: int, caption: str, told: bool
) -> None:
    first, last = (rows[0].number, rows[-1].number) if rows else (head_number, head_number)
    builder.place = f"{where}{first}" if first == last else f"{where}{first}-{last}"
    builder.table([head, *(row.cells for row in rows)], caption=caption, told=told)


def trimmed(cells: Iterable[object]) -> list[str]:
    """Cells as words, without the empty ones at the end, at most ``_MAX_COLUMNS``."""
    words = [" ".join(str(cell).split()) if cell is not None else "" for cell in cells]
    while words and not words[-1]:
        words.pop()
    return words[:_MAX_COLUMNS]
