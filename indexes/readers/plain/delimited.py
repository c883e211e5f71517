"""Delimited text (.csv .tsv): one table; its delimiter and whether its first row is a head are told by the file."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice, pairwise

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder
from indexes.readers.decode import decode
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.cells import Row, trimmed
from indexes.readers.tables.grid import TablePlace, add_table

_DELIMITERS = ",;\t|^~，；"
_SNIFF_LINES, _SNIFF_LINE = 40, 400  # what CleverCSV sees: its time grows with both
_PREAMBLE = 30  # rows among which the head is looked for
_SAMPLE = 64 * 1024
_LONE_QUOTE = 128 * 1024
_SINGLE = r"(?:^|{0})'[^'\n]*{0}[^'\n]*'(?={0}|\r?$)"  # a cell in single quotes that holds a delimiter


def read(file: SourceFile) -> Extract:
    text, encoding = decode(file, file.read_bytes())
    text = text.replace("\0", "")
    if text[:4].lower() == "sep=":  # Excel's own mark
        first, _, text = text.partition("\n")
        delimiter = first[4:5] or ","
    else:
        delimiter = sniff(text[:_SAMPLE], tabs=file.suffix == ".tsv")
    quote = quote_of(text[:_SAMPLE], delimiter)
    quoting: tuple[int, ...] = (csv.QUOTE_MINIMAL, csv.QUOTE_NONE)
    for attempt in quoting:
        builder = OutlineBuilder()
        try:
            with _cells_up_to(_longest_cell(text, attempt, quote)):
                rows = _below_text(builder, _rows(text, delimiter, attempt, quote))
                head = add_table(builder, rows, TablePlace("rows "), usual=True)
        except csv.Error as error:
            if attempt == csv.QUOTE_NONE:
                raise ReaderError(
                    f"'{file}' cannot be read as csv ({error})", remedy="check its quotes and delimiters"
                ) from error
            file.note("its quotes do not match and were read as they stand")
            continue
        break
    if not head:
        file.note("its first row does not look like a head, so its columns have no names")
    return builder.build({"encoding": encoding})


def sniff(sample: str, *, tabs: bool = False) -> str:
    """The delimiter of a csv file, by CleverCSV: that whose cells are most alike (van den Burg and others, 2019).

    Args:
        tabs: the file's name says that it is the tab.
    """
    if tabs and "\t" in sample.partition("\n")[0]:
        return "\t"
    lines = sample.split("\n")
    few = "\n".join(line[:_SNIFF_LINE] for line in lines[:_SNIFF_LINES])
    delimiters = [mark for mark in _DELIMITERS if mark in few]
    if len(delimiters) > 1:  # its import alone takes a second: only where there is a choice
        from clevercsv.detect import Detector

        dialect = Detector().detect(few, delimiters=delimiters)
        if dialect is not None and dialect.delimiter:
            return str(dialect.delimiter)
    return _most_regular(sample, tabs=tabs)


def quote_of(sample: str, delimiter: str) -> str:
    r"""The quote of a csv file: ' where it is put around delimiters and " is not, else ".

    >>> quote_of("id,text\n1,'tea, cups'\n", ","), quote_of("id,text\n1,it's tea\n", ",")
    ("'", '"')
    """
    if '"' in sample or "'" not in sample:
        return '"'
    return "'" if re.search(_SINGLE.format(re.escape(delimiter)), sample, re.MULTILINE) else '"'


def _most_regular(sample: str, *, tabs: bool) -> str:
    """The delimiter that parts most lines into the same number of cells, more than one."""
    best, best_score = "\t" if tabs else ",", 0.0
    for delimiter in _DELIMITERS:
        if delimiter not in sample:
            continue
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
        except csv.Error:
            continue
        widths = widths[:-1] if len(widths) > 2 else widths  # the sample may cut the last line
        width, times = Counter(widths).most_common(1)[0]
        score = times / len(widths) * min(width, 4) if width > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _below_text(builder: OutlineBuilder, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of the table; lines of text above it become paragraphs.

    They are narrower than the table, and a blank line parts them from it, or they have one cell.
    """
    ahead = list(islice(rows, _PREAMBLE))
    if len(ahead) < 3:
        return chain(ahead, rows)
    width, _ = Counter(len(row.cells) for row in ahead).most_common(1)[0]
    wide = next((at for at, row in enumerate(ahead) if len(row.cells) >= width), 0)
    if width < 2 or wide == 0:
        return chain(ahead, rows)
    parted = any(after.number > before.number + 1 for before, after in pairwise(ahead[: wide + 1]))
    start = 0
    while start < wide and (parted or len(ahead[start].cells) == 1):
        row = ahead[start]
        builder.place = f"rows {row.number}"
        builder.paragraph(" ".join(cell for cell in row.cells if cell), glue="\n")
        start += 1
    return chain(ahead[start:], rows)


def _longest_cell(text: str, quoting: int, quote: str) -> int:
    """Characters a cell may have: any number, but where a quote has no partner, so that it does not eat the file."""
    lone = quoting == csv.QUOTE_MINIMAL and text.count(quote) % 2 == 1
    return _LONE_QUOTE if lone else max(len(text), _LONE_QUOTE)


@contextmanager
def _cells_up_to(length: int) -> Iterator[None]:
    """Python's limit of a cell's characters (131,072) is one for the process: it is put back."""
    before = csv.field_size_limit(length)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _rows(text: str, delimiter: str, quoting: int, quote: str) -> Iterator[Row]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, quotechar=quote)  # type: ignore[arg-type]
    before = 0
    for cells in reader:
        words = trimmed(cells)
        if words:
            yield Row(before + 1, words)
        before = reader.line_num
