"""Delimited text (.csv .tsv): one table; its delimiter, and whether it has a head, are found from the content."""

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
_SNIFF_LINES, _SNIFF_LINE = 40, 400  # lines, and characters of each, for CleverCSV: its time grows with both
_PREAMBLE = 30  # rows in which the head is searched
_SAMPLE = 64 * 1024
_LONE_QUOTE = 128 * 1024
_SINGLE = r"(?:^|{0})'[^'\n]*{0}[^'\n]*'(?={0}|\r?$)"  # a cell in single quotes with a delimiter


def read(file: SourceFile) -> Extract:
    r"""Read delimited text.

    >>> print(read(SourceFile("a.csv", data=b"item;price\nplum;3\npear;4\n")).text)
    | item | price |
    | --- | --- |
    | plum | 3 |
    | pear | 4 |
    """
    text, encoding = decode(file, file.read_bytes())
    text = text.replace("\0", "")
    if text[:4].lower() == "sep=":  # written by Excel
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
    r"""Return the delimiter of a csv file: the one with the most uniform cells (CleverCSV, van den Burg et al. 2019).

    >>> sniff("name;price\ntea;3,50\ncoffee;4,20\n")
    ';'

    Args:
        tabs: the file name says that the delimiter is the tab.
    """
    if tabs and "\t" in sample.partition("\n")[0]:
        return "\t"
    lines = sample.split("\n")
    few = "\n".join(line[:_SNIFF_LINE] for line in lines[:_SNIFF_LINES])
    delimiters = [mark for mark in _DELIMITERS if mark in few]
    if len(delimiters) > 1:  # importing it takes a second: only if there is a choice
        from clevercsv.detect import Detector

        dialect = Detector().detect(few, delimiters=delimiters)
        if dialect is not None and dialect.delimiter:
            return str(dialect.delimiter)
    return _most_regular(sample, tabs=tabs)


def quote_of(sample: str, delimiter: str) -> str:
    r"""Return the quote of a csv file: ' if it encloses delimiters and " does not, else ".

    >>> quote_of("id,text\n1,'tea, cups'\n", ","), quote_of("id,text\n1,it's tea\n", ",")
    ("'", '"')
    """
    if '"' in sample or "'" not in sample:
        return '"'
    return "'" if re.search(_SINGLE.format(re.escape(delimiter)), sample, re.MULTILINE) else '"'


def _most_regular(sample: str, *, tabs: bool) -> str:
    """Return the delimiter that divides most lines into the same number of cells, more than one."""
    best, best_score = "\t" if tabs else ",", 0.0
    for delimiter in _DELIMITERS:
        if delimiter not in sample:
            continue
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
        except csv.Error:
            continue
        widths = widths[:-1] if len(widths) > 2 else widths  # the last line may be incomplete
        width, times = Counter(widths).most_common(1)[0]
        score = times / len(widths) * min(width, 4) if width > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _below_text(builder: OutlineBuilder, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the rows of the table, and add lines of text above it as paragraphs.

    These are narrower than the table and separated from it by a blank line, or have one cell.
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
    """Return the limit of a cell: none, unless a quote is unclosed, which must not swallow the file."""
    lone = quoting == csv.QUOTE_MINIMAL and text.count(quote) % 2 == 1
    return _LONE_QUOTE if lone else max(len(text), _LONE_QUOTE)


@contextmanager
def _cells_up_to(length: int) -> Iterator[None]:
    """Set Python's limit for the characters of a cell (131,072), which is global, and restore it."""
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
