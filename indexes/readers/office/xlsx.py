"""Excel (.xlsx): the tables of each sheet with the values last computed by Excel, as Excel shows them, row by row.

Blank rows divide a sheet into blocks, and blank columns divide a block into tables side by side. A block of single
cells is text (a title over a table). The place of a section is its sheet and rows: "Prices!2-41". Merged cells repeat
their words; hidden sheets, rows and columns and struck-through cells are left out with a note; comments and text boxes
follow the sheet. Sheets of any size are streamed.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder
from indexes.readers.inline import plain
from indexes.readers.numerals import letters_as_html
from indexes.readers.office.number_format import shown
from indexes.readers.office.sheet_parts import SheetParts, sheet_parts
from indexes.readers.office.zip_container import office_stream
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.cells import MAX_COLUMNS, Row
from indexes.readers.tables.grid import TablePlace, add_table

_REMEDY = "open it in Excel or LibreOffice and save it again, or leave it out"
_BLOCK_ROWS = 400  # longer blocks are one table and are streamed; shorter ones are analysed as a whole
_SPACES = re.compile(r"\s+")


def read(file: SourceFile) -> Extract:
    """Read an Excel workbook.

    >>> from openpyxl import Workbook
    >>> book = Workbook()
    >>> for row in (["item", "price"], ["plum", 3], ["pear", 4]):
    ...     book.active.append(row)
    >>> book.save(folder / "a.xlsx")
    >>> print(read(SourceFile("a.xlsx", folder / "a.xlsx")).text)
    | item | price |
    | --- | --- |
    | plum | 3 |
    | pear | 4 |
    """
    from openpyxl import load_workbook  # type: ignore[import-untyped]
    from openpyxl.utils.exceptions import InvalidFileException  # type: ignore[import-untyped]

    builder = OutlineBuilder()
    with office_stream(file, "an Excel workbook", "xl/") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and extensions that are not read
        try:
            book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        except (KeyError, ValueError, TypeError, etree.XMLSyntaxError, InvalidFileException) as error:
            raise ReaderError(f"'{file}' is damaged or not an Excel workbook ({error})", remedy=_REMEDY) from error
        uncomputed = 0
        try:
            with zipfile.ZipFile(stream) as archive:
                for sheet in book.worksheets:
                    if sheet.sheet_state != "visible":
                        file.note(f"its hidden sheet '{sheet.title}' was left out")
                        continue
                    builder.leave()
                    builder.enter(1, sheet.title)
                    sheet.reset_dimensions()  # the size recorded in the file is often wrong
                    parts = sheet_parts(archive, sheet._worksheet_path)
                    uncomputed += parts.uncomputed
                    _Sheet(file, builder, sheet, parts).read()
        except (ValueError, TypeError, KeyError, SyntaxError) as error:
            raise ReaderError(f"'{file}' is damaged ({error})", remedy=_REMEDY) from error
        if uncomputed:  # read as empty cells, which must be reported
            file.note(f"{uncomputed} of its formulas hold no computed value and were left empty; save it once in Excel")
        title = (book.properties.title or "").strip()
        book.close()
    return builder.build({"title": title})


class _Sheet:
    """A sheet: its rows as Excel shows them, then its comments and text boxes."""

    def __init__(self, file: SourceFile, builder: OutlineBuilder, sheet: Any, parts: SheetParts) -> None:
        self.file, self.builder, self.sheet, self.parts = file, builder, sheet, parts
        self.where = f"{sheet.title}!"
        self._looks: dict[int, tuple[str, bool, bool]] = {}  # style -> (number format, bold, struck through)
        self._commented: dict[tuple[int, int], list[str]] = {(row, column): [] for row, column, _ in parts.comments}

    def read(self) -> None:
        self._blocks(self._rows())
        for row, column, words in self.parts.comments:
            if row in self.parts.hidden_rows or column in self.parts.hidden_columns:
                self.file.leave_out("comment on a hidden cell")
                continue
            self.builder.place = f"{self.where}{row}"
            about = ", ".join(self._commented[row, column])
            name = f"{letters_as_html(column).upper()}{row}" + (f" ({about})" if about else "")
            self.builder.paragraph(f"Comment on {name}: {words}")
        for row, _, words in self.parts.boxes:
            self.builder.place = f"{self.where}{row}"
            self.builder.paragraph(words)

    def _rows(self) -> Iterator[Row]:
        merged: list[tuple[int, int, int, str]] = []  # open ones: last row, first and last column, words
        hidden_columns = self.parts.hidden_columns
        commented = {row for row, _ in self._commented}
        lost_columns: set[int] = set()
        for number, cells in enumerate(self.sheet.iter_rows(), start=1):
            row = self._row(number, cells)
            merged = [item for item in merged if item[0] >= number]
            fresh = self.parts.merges.get(number, ())
            if merged or fresh:
                row = self._merged(row, merged, fresh)
            if number in commented:
                self._remember(row)
            if number in self.parts.hidden_rows:
                if any(row.cells):
                    self.file.leave_out("hidden row")
                continue
            if hidden_columns:
                lost_columns |= {at + 1 for at, cell in enumerate(row.cells) if cell and at + 1 in hidden_columns}
                row = _without(row, hidden_columns)
            while row.cells and not row.cells[-1]:
                row.cells.pop()
            yield row
        if lost_columns:
            self.file.leave_out("hidden column", len(lost_columns))

    def _row(self, number: int, cells: tuple[Any, ...]) -> Row:
        words: list[str] = []
        bold = worded = 0
        first = False
        for cell in cells[:MAX_COLUMNS]:
            value = cell.value
            if value is None:
                words.append("")
                continue
            look = self._looks.get(cell._style_id)
            if look is None:
                font = cell.font
                look = self._looks[cell._style_id] = cell.number_format, bool(font.b), bool(font.strike)
            if look[2]:
                self.file.leave_out("struck-through passage")
                words.append("")
                continue
            worded_cell = type(value) is str
            text = value if worded_cell and "@" not in look[0] else shown(value, look[0])
            if worded_cell or not text.isascii():
                text = _SPACES.sub(" ", plain(text))
            text = text.strip()
            words.append(text)
            if text:
                worded += 1
                bold += look[1]
                first = first or (worded == 1 and look[1] and len(words) == 1)
        return Row(number, words, bold=0 < worded == bold, side=first and bold == 1 and worded > 1)

    def _merged(self, row: Row, merged: list[tuple[int, int, int, str]], fresh: Sequence[tuple[int, int, int]]) -> Row:
        """Repeat the words of merged cells in their row; ``merged`` is extended by those that begin here."""
        across: set[int] = set()
        down: set[int] = set()
        for left, right, bottom in fresh:
            words = row.cells[left - 1] if left <= len(row.cells) else ""
            merged.append((bottom, left, right, words))
        new = len(merged) - len(fresh)
        for index, (_, left, right, words) in enumerate(merged):
            right = min(right, MAX_COLUMNS)
            row.cells += [""] * (right - len(row.cells))
            for at in range(left - 1, right):
                beside = at > left - 1
                row.cells[at] = words if not beside or left > 1 else ""
                if beside:
                    across.add(at)
                if index < new:
                    down.add(at)
        return replace(row, across=frozenset(across), down=frozenset(down))

    def _remember(self, row: Row) -> None:
        """Remember the content of commented cells, after the name of their row."""
        for (number, column), about in self._commented.items():
            if number == row.number:
                cell = row.cells[column - 1] if column <= len(row.cells) else ""
                name = next((words for words in row.cells[: column - 1] if words), "")
                about += [words for words in (name, cell) if words]

    def _blocks(self, rows: Iterator[Row]) -> None:
        title = ""  # a line of text over a table
        block: list[Row] = []
        for row in chain(rows, [Row(0)]):
            if row.cells:
                block.append(row)
                if len(block) < _BLOCK_ROWS:
                    continue
                # A long block: its rest is streamed up to the next blank row.
                place = TablePlace(self.where, caption=title, in_text=True)
                add_table(self.builder, chain(block, _until_blank(rows)), place, usual=True)
            elif block:
                title = self._block(block, title)
                block = []
                continue
            else:
                continue  # several blank rows
            block, title = [], ""

    def _block(self, block: list[Row], title: str) -> str:
        """Add a block; return its text if it may be the title of the next one."""
        while block and block[0].filled == 1 and not block[0].down and max(row.filled for row in block) > 1:
            self.builder.place = f"{self.where}{block[0].number}"
            title = next(cell for cell in block[0].cells if cell)
            self.builder.paragraph(title)
            block = block[1:]
        for table in _side_by_side(block):
            if all(row.filled <= 1 for row in table):
                self.builder.place = f"{self.where}{table[0].number}"
                words = "\n".join(next((cell for cell in row.cells if cell), "") for row in table)
                self.builder.paragraph(words)
                title = words if len(table) == 1 and len(words) < 100 else ""
            else:
                add_table(self.builder, table, TablePlace(self.where, caption=title, in_text=True), usual=True)
                title = ""
        return title


def _without(row: Row, columns: set[int]) -> Row:
    """Return the row without hidden columns (numbered from 1)."""
    kept = [at for at in range(len(row.cells)) if at + 1 not in columns]
    if len(kept) == len(row.cells):
        return row
    across = frozenset(new for new, old in enumerate(kept) if old in row.across and old - 1 in kept)
    down = frozenset(new for new, old in enumerate(kept) if old in row.down)
    return replace(row, cells=[row.cells[at] for at in kept], across=across, down=down)


def _until_blank(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        if not row.cells:
            return
        yield row


def _side_by_side(block: list[Row]) -> Iterator[list[Row]]:
    """Yield the tables of a block, divided at columns that are empty in all its rows."""
    width = max(len(row.cells) for row in block)
    filled = [
        any(column < len(row.cells) and (row.cells[column] or column in row.across) for row in block)
        for column in range(width)
    ]
    start = None
    for column, used in enumerate([*filled, False]):
        if used and start is None:
            start = column
        elif not used and start is not None:
            if (start, column) == (0, width):
                yield block
            else:
                yield [row for row in (_slice(row, start, column) for row in block) if row.cells]
            start = None


def _slice(row: Row, start: int, end: int) -> Row:
    cells = row.cells[start:end]
    while cells and not cells[-1]:
        cells.pop()
    across = frozenset(at - start for at in row.across if start <= at < end)
    down = frozenset(at - start for at in row.down if start <= at < end)
    return replace(row, cells=cells, across=across, down=down)
