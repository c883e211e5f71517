"""Delimited text (.csv .tsv): one table; its delimiter and whether its first row is a head are told by the file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder
from indexes.readers.office.grid import Row, add_table, trimmed
from indexes.readers.plain.decode import decode
from indexes.readers.source_file import SourceFile

_DELIMITERS = ",;\t|，；"
_SAMPLE = 64 * 1024
_LONE_QUOTE = 128 * 1024


def read(file: SourceFile) -> Extract:
    text, encoding = decode(file, file.read_bytes())
    text = text.replace("\0", "")
    if text[:4].lower() == "sep=":  # Excel's own mark
        first, _, text = text.partition("\n")
        delimiter = first[4:5] or ","
    else:
        delimiter = sniff(text[:_SAMPLE], tabs=file.suffix == ".tsv")
    quoting: tuple[int, ...] = (csv.QUOTE_MINIMAL, csv.QUOTE_NONE)
    for attempt in quoting:
        builder = OutlineBuilder()
        try:
            with _cells_up_to(_longest_cell(text, attempt)):
                head = add_table(builder, _rows(text, delimiter, attempt), where="rows ")
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
    """The delimiter that parts most lines into the same number of cells, more than one.

    Python's csv.Sniffer is no help: it takes letters for delimiters and is slow on long fields.
    """
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
        if delimiter == "\t" and tabs:
            score *= 2
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _longest_cell(text: str, quoting: int) -> int:
    """Characters a cell may have: any number, but where a quote has no partner, so that it does not eat the file."""
    lone = quoting == csv.QUOTE_MINIMAL and text.count('"') % 2 == 1
    return _LONE_QUOTE if lone else max(len(text), _LONE_QUOTE)


@contextmanager
def _cells_up_to(length: int) -> Iterator[None]:
    """Python's limit of a cell's characters (131,072) is one for the process: it is put back."""
    before = csv.field_size_limit(length)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _rows(text: str, delimiter: str, quoting: int) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    before = 0
    for cells in reader:
        words = trimmed(cells)
        if words:
            yield Row(before + 1, words)
        before = reader.line_num
