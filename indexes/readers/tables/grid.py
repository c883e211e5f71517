"""Add tables of all formats to the outline: title, head, pieces of a long table, fields of a form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from indexes.readers.builder import OutlineBuilder
from indexes.readers.tables.cells import Row
from indexes.readers.tables.head import form_pairs, head_names, head_rows

PIECE_ROWS = 40  # rows of a table section; a longer table continues in the next, with the same head
_AHEAD = 60  # rows examined to detect a head


@dataclass(slots=True)
class TablePlace:
    """The place of a table.

    >>> builder = OutlineBuilder()
    >>> rows = [Row(1, ["item", "price"]), Row(2, ["plum", "3"]), Row(3, ["pear", "4"])]
    >>> _ = add_table(builder, iter(rows), TablePlace("Prices!", caption="Fruit"))
    >>> [(section.place, section.caption) for section in builder.build().sections if section.kind == "table"]
    [('Prices!1-3', 'Fruit')]

    Args:
        where: prefix of the row numbers in a section's place ("Prices!", "rows "); "" if rows have no number.
        page: page of the table.
        caption: title of the table, repeated in every piece.
        in_text: whether the title is in the text already.
    """

    where: str = ""
    page: int | None = None
    caption: str = ""
    in_text: bool = False


def add_table(
    builder: OutlineBuilder, rows: Iterable[Row], place: TablePlace | None = None, *, usual: bool = False
) -> bool:
    """Add a table to ``builder`` in pieces of at most ``PIECE_ROWS`` rows; return whether it has a head or is a form.

    A line over all columns above the head is the table's title; one further down is the title of the next rows.

    >>> builder = OutlineBuilder()
    >>> _ = add_table(builder, [Row(1, ["name", "price"], head=True), Row(2, ["tea", "3"])])
    >>> print(builder.build().text)
    | name | price |
    | --- | --- |
    | tea | 3 |

    Args:
        usual: as for ``head_rows``.
    """
    place = place or TablePlace()
    iterator = iter(rows)
    ahead = [row for row in islice(iterator, _AHEAD) if any(row.cells)]
    if not ahead:
        return True
    whole = len(ahead) < _AHEAD
    ahead, place = _titles(builder, ahead, place)
    width = max(len(row.cells) for row in ahead)
    if whole and _is_text(ahead, width):
        for row in ahead:
            _stand(builder, place, row, row)
            builder.paragraph(next(cell for cell in row.cells if cell), place.page, glue="\n")
        return True
    pairs = form_pairs(ahead, usual=usual) if whole else None
    if pairs is not None:
        _stand(builder, place, ahead[0], ahead[-1])
        builder.table([["", ""], *map(list, pairs)], place.page, caption=place.caption, in_text=place.in_text)
        return True
    depth = head_rows(ahead, usual=usual)
    head, body = ahead[:depth], ahead[depth:]
    names = head_names(head) if head else [""] * width
    names += [""] * (width - len(names))
    if head and not body and whole:
        _stand(builder, place, head[0], head[-1])
        builder.table([names], place.page, caption=place.caption, in_text=place.in_text)
        return True
    _pieces(builder, place, names, chain(body, iterator), headless=not head)
    return bool(head)


def _titles(builder: OutlineBuilder, rows: list[Row], place: TablePlace) -> tuple[list[Row], TablePlace]:
    """Remove lines of one cell above the head: they become paragraphs, the last one the caption."""
    while len(rows) > 1 and not rows[0].head and rows[0].filled == 1 and any(row.filled > 1 for row in rows[1:]):
        words = next(cell for cell in rows[0].cells if cell)
        if rows[0].down or (len(rows[0].cells) > 1 and not rows[0].across and rows[1].filled == 1 and not place.where):
            break
        _stand(builder, place, rows[0], rows[0])
        builder.paragraph(words, place.page)
        place = replace(place, caption=words, in_text=True)
        rows = rows[1:]
    return rows, place


def _is_text(rows: list[Row], width: int) -> bool:
    """Return whether the rows are text: a few lines of one cell."""
    return len(rows) < 6 and all(row.filled <= 1 for row in rows) and not (width > 1 and rows[0].head)


def _pieces(
    builder: OutlineBuilder, place: TablePlace, names: list[str], rows: Iterator[Row], *, headless: bool
) -> None:
    piece: list[Row] = []
    caption = place.caption
    for row in rows:
        if not any(row.cells) or (not headless and row.cells == names):
            continue  # a repeated head, as on every page
        if len(row.cells) > len(names):
            names += [""] * (len(row.cells) - len(names))
        if len(names) > 2 and len(row.across) >= len(names) - 1 and row.cells[0] and not row.down:
            place = _flush(builder, place, names, piece, headless)
            words = row.cells[0]  # a line over all columns: title of the next rows
            _stand(builder, place, row, row)
            builder.paragraph(words, place.page)
            place = replace(place, caption=f"{caption}, {words}" if caption else words, in_text=True)
            piece = []
            continue
        piece.append(row)
        if len(piece) == PIECE_ROWS:
            place = _flush(builder, place, names, piece, headless)
            piece = []
    _flush(builder, place, names, piece, headless)


def _flush(builder: OutlineBuilder, place: TablePlace, names: list[str], rows: list[Row], headless: bool) -> TablePlace:
    if not rows:
        return place
    lines = rows
    if headless:  # the columns of a merged cell have no names: its words appear once
        lines = [
            replace(row, cells=["" if at in row.across else cell for at, cell in enumerate(row.cells)])
            if row.across
            else row
            for row in rows
        ]
    _piece(builder, place, names, lines)
    return replace(place, in_text=True)


def _piece(builder: OutlineBuilder, place: TablePlace, names: list[str], rows: list[Row]) -> None:
    _stand(builder, place, rows[0], rows[-1])
    builder.table([names, *(row.cells for row in rows)], place.page, caption=place.caption, in_text=place.in_text)


def _stand(builder: OutlineBuilder, place: TablePlace, first: Row, last: Row) -> None:
    if place.where:
        numbers = f"{first.number}" if first.number == last.number else f"{first.number}-{last.number}"
        builder.place = f"{place.where}{numbers}"
