"""Tables of Word: merged cells, header rows, and first rows emphasised by the table's style."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from docx.oxml.ns import qn
from lxml import etree  # type: ignore[import-untyped]

from indexes.readers.office.docx_styles import Styles
from indexes.readers.office.docx_words import DocxWords
from indexes.readers.tables.cells import Cell, Row, spread

TBL, TR, TC = map(qn, ("w:tbl", "w:tr", "w:tc"))
_PLAIN = frozenset(("", "auto", "ffffff"))
Gather = Callable[[etree._Element], DocxWords]
_Place = tuple[int, int, str, DocxWords | None, etree._Element]  # column, span, merge over rows, words, cell


def table_rows(table: etree._Element, styles: Styles, gather: Gather) -> tuple[list[Row], list[DocxWords]]:
    """Return the rows of a table, and the words of its cells with what is anchored to them.

    >>> from docx import Document
    >>> table = Document().add_table(rows=1, cols=2)
    >>> table.cell(0, 0).text, table.cell(0, 1).text = "plum", "3"
    >>> rows, _ = table_rows(table._tbl, Styles(None), lambda cell: DocxWords(cell, Styles(None)))
    >>> rows[0].cells
    ['plum', '3']

    Args:
        gather: reads a cell.
    """
    found: list[DocxWords] = []
    lines: list[tuple[list[_Place], bool]] = []
    for row in table.iter(TR):
        if next(row.iterancestors(TBL)) is not table:
            continue  # in an inner table, whose words belong to the outer cell
        lines.append((_places(row, gather, found), _is_header(row)))
    rows = list(spread(_cells(lines)))
    if len(rows) > 1 and not rows[0].head and _first_row_looks(table, styles):
        rows[0].bold = True
    return rows, found


def _places(row: etree._Element, gather: Gather, found: list[DocxWords]) -> list[_Place]:
    places: list[_Place] = []
    column = number_of(row.find(f"{qn('w:trPr')}/{qn('w:gridBefore')}"), 0)
    for cell in row.iter(TC):
        if next(cell.iterancestors(TR)) is not row:
            continue
        properties = cell.find(qn("w:tcPr"))
        span, merge = 1, ""
        if properties is not None:
            span = min(max(number_of(properties.find(qn("w:gridSpan")), 1), 1), 64)
            merged = properties.find(qn("w:vMerge"))
            if merged is not None:
                merge = "starts" if merged.get(qn("w:val")) == "restart" else "goes on"
        words = None
        if merge != "goes on":
            words = gather(cell)
            found.append(words)
        places.append((column, span, merge, words, cell))
        column += span
    return places


def _cells(lines: list[tuple[list[_Place], bool]]) -> Iterator[tuple[int, list[Cell], bool]]:
    going_on = [{column for column, _, merge, _, _ in places if merge == "goes on"} for places, _ in lines]
    taken: list[set[int]] = [set() for _ in lines]
    for index, (places, head) in enumerate(lines):
        cells: list[Cell] = []
        at = 0
        for column, span, merge, words, element in places:
            cells += [Cell("")] * max(column - at, 0) if not cells else []
            at = column + span
            if merge == "goes on" and column in taken[index]:
                continue
            down = 1
            if merge == "starts":
                while index + down < len(lines) and column in going_on[index + down]:
                    taken[index + down].add(column)
                    down += 1
            text = " ".join(words.text.split()) if words is not None else ""
            length = len("".join(text.split()))
            bold = words is not None and 0 < length <= words.bold
            cells.append(Cell(text, span, down, bold=bool(text) and (bold or _is_shaded(element))))
        yield 0, cells, head


def _is_header(row: etree._Element) -> bool:
    found = row.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}")
    return found is not None and found.get(qn("w:val")) not in ("0", "false")


def _is_shaded(cell: etree._Element) -> bool:
    shade = cell.find(f"{qn('w:tcPr')}/{qn('w:shd')}")
    return shade is not None and (shade.get(qn("w:fill")) or "").lower() not in _PLAIN


def _first_row_looks(table: etree._Element, styles: Styles) -> bool:
    """Return whether the table uses a style that emphasises the first row."""
    properties = table.find(qn("w:tblPr"))
    look = properties.find(qn("w:tblLook")) if properties is not None else None
    name = properties.find(qn("w:tblStyle")) if properties is not None else None
    if look is None or name is None:
        return False
    value = look.get(qn("w:val")) or "0"
    first = look.get(qn("w:firstRow"))
    used = first in ("1", "true") if first is not None else bool(int(value, 16) & 0x20) if value.isalnum() else False
    return used and styles.get(name.get(qn("w:val"))).head


def number_of(element: etree._Element | None, default: int) -> int:
    """Return the integer in ``w:val`` of an element, else the default.

    >>> from docx.oxml import parse_xml
    >>> from docx.oxml.ns import nsdecls
    >>> number_of(parse_xml(f'<w:gridSpan {nsdecls("w")} w:val="2"/>'), 1), number_of(None, 1)
    (2, 1)
    """
    value = element.get(qn("w:val")) if element is not None else None
    return int(value) if value is not None and value.isdecimal() else default
