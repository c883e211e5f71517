"""Excel (.xlsx): each sheet's tables with the values that Excel computed last, streamed row by row.

Blank rows part a sheet into blocks, blank columns part a block into tables beside each other. A block of single cells
is text (a title over a table). The place of a section is the sheet with its rows: "Prices!2-41".
"""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder
from indexes.readers.office.grid import Row, add_table, trimmed
from indexes.readers.office.zip_container import office_stream
from indexes.readers.source_file import SourceFile

_REMEDY = "open it in Excel or LibreOffice and save it again, or leave it out"
_UNCOMPUTED = re.compile(rb"(?:</f>|<f\b[^>]*/>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*\Z")
_BLOCK_ROWS = 400  # longer blocks are one table and are streamed; shorter ones are looked at whole


def read(file: SourceFile) -> Extract:
    from openpyxl import load_workbook  # type: ignore[import-untyped]
    from openpyxl.utils.exceptions import InvalidFileException  # type: ignore[import-untyped]

    builder = OutlineBuilder()
    with office_stream(file, "an Excel workbook", "xl/") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and extensions that are not read anyway
        try:
            book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        except (KeyError, ValueError, TypeError, etree.XMLSyntaxError, InvalidFileException) as error:
            raise ReaderError(f"'{file}' is damaged or no Excel workbook ({error})", remedy=_REMEDY) from error
        _note_uncomputed(file, stream)
        try:
            for sheet in book.worksheets:
                if sheet.sheet_state != "visible":
                    file.note(f"its hidden sheet '{sheet.title}' was left out")
                    continue
                builder.leave()
                builder.enter(1, sheet.title)
                sheet.reset_dimensions()  # what the file says of its size is often wrong
                _add_sheet(builder, sheet.title, _rows(sheet))
        except (ValueError, TypeError, KeyError, SyntaxError) as error:
            raise ReaderError(f"'{file}' is damaged ({error})", remedy=_REMEDY) from error
        title = (book.properties.title or "").strip()
        book.close()
    return builder.build({"title": title})


def _note_uncomputed(file: SourceFile, stream: BinaryIO) -> None:
    """Formulas whose value no program has stored are empty cells to us: that must be said."""
    count = 0
    with zipfile.ZipFile(stream) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with archive.open(name) as part:
                    tail = b""
                    while piece := part.read(1 << 20):
                        cells = (tail + piece).split(b"</c>")
                        tail = cells.pop()[-4096:]
                        count += sum(_UNCOMPUTED.search(cell) is not None for cell in cells)
    if count:
        file.note(f"{count} of its formulas hold no computed value and were left empty; save it once in Excel")


def _rows(sheet: Any) -> Iterator[Row]:
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        yield Row(number, trimmed(map(_shown, values)))


def _shown(value: object) -> object:
    """A cell's value as Excel would show it: whole numbers without a point, dates without a midnight."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d") if value.time() == datetime.time() else value.strftime("%Y-%m-%d %H:%M:%S")
    return value


def _add_sheet(builder: OutlineBuilder, name: str, rows: Iterator[Row]) -> None:
    where = f"{name}!"
    title = ""  # a line of text over a table
    block: list[Row] = []
    for row in chain(rows, [Row(0)]):
        if row.cells:
            block.append(row)
            if len(block) < _BLOCK_ROWS:
                continue
            # A long block: the rest of it is streamed up to the next blank row.
            add_table(builder, chain(block, _until_blank(rows)), where=where, caption=title, told=True)
        elif block:
            title = _add_block(builder, block, where, title)
            block = []
            continue
        else:
            continue  # several blank rows
        block, title = [], ""


def _until_blank(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        if not row.cells:
            return
        yield row


def _add_block(builder: OutlineBuilder, block: list[Row], where: str, title: str) -> str:
    """One block; returns its text if it is a title that may belong to the next."""
    while block and sum(map(bool, block[0].cells)) == 1 and max(sum(map(bool, row.cells)) for row in block) > 1:
        builder.place = f"{where}{block[0].number}"
        title = next(cell for cell in block[0].cells if cell)
        builder.paragraph(title)
        block = block[1:]
    tables = list(_side_by_side(block))
    for table in tables:
        if all(sum(map(bool, row.cells)) <= 1 for row in table):
            builder.place = f"{where}{table[0].number}"
            words = "\n".join(next((cell for cell in row.cells if cell), "") for row in table)
            builder.paragraph(words)
            title = words if len(table) == 1 and len(words) < 100 else ""
        else:
            add_table(builder, iter(table), where=where, caption=title, told=True)
            title = ""
    return title


def _side_by_side(block: list[Row]) -> Iterator[list[Row]]:
    """The tables of a block, parted at columns that are empty in all of its rows."""
    width = max(len(row.cells) for row in block)
    filled = [any(column < len(row.cells) and row.cells[column] for row in block) for column in range(width)]
    start = None
    for column, used in enumerate([*filled, False]):
        if used and start is None:
            start = column
        elif not used and start is not None:
            part = [Row(row.number, trimmed(row.cells[start:column])) for row in block]
            yield [row for row in part if row.cells]
            start = None
