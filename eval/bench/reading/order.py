"""``python -m eval.bench.reading.order FILE...``: list PDF pages that are read in another order than pdfium's.

The lines of such pages are printed in reading order, each with its number in pdfium's order; with ``--all``, those of
the other pages too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pypdfium2

from indexes.readers.pdf.layout import Line
from indexes.readers.pdf.order import in_order, lines_of, side_by_side
from indexes.readers.pdf.ruled import with_tables

_SHOWN = 100  # characters of a line


def main(argv: list[str]) -> int:
    """Print the pages, and return the exit code."""
    parser = argparse.ArgumentParser("python -m eval.bench.reading.order", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="PDF files")
    parser.add_argument("--pages", type=int, default=20, help="number of pages per file, from the first")
    parser.add_argument("--all", action="store_true", help="print the lines of all pages")
    options = parser.parse_args(argv)
    looked = changed_pages = 0
    for path in options.files:
        for number, lines, order, beside, changed in _pages(path, options.pages):
            looked += 1
            changed_pages += changed
            what = f"re-ordered, side by side {beside[0]} -> {beside[1]}" if changed else f"as it is, {beside[0]}"
            sys.stdout.write(f"{path.name} page {number}: {len(lines)} lines, {what}\n")
            if changed or options.all:
                sys.stdout.writelines(f"  {before:4} {words[:_SHOWN]}\n" for before, words in order)
    sys.stdout.write(f"{looked} pages, {changed_pages} in another order than pdfium's\n")
    return 0


def _pages(path: Path, most: int) -> Iterator[tuple[int, list[Line], list[tuple[int, str]], tuple[int, int], bool]]:
    """Yield (number, lines, (number before, words) in order, neighbours before and after, whether re-ordered)."""
    with pypdfium2.PdfDocument(path) as pdf:
        for index in range(min(len(pdf), most)):
            page = pdf[index]
            width, height = page.get_size()
            textpage = page.get_textpage()
            lines = with_tables(lines_of(textpage, width), page, textpage, height)
            before = [line for line in lines if line.text or line.rows]
            numbers = {id(line): number for number, line in enumerate(before, 1)}
            ordered, changed = in_order(lines, width)
            kept = [line for line in ordered if line.text or line.rows]
            order = [
                (numbers.get(id(line), 0) if changed else number, line.text or f"[table of {len(line.rows)} rows]")
                for number, line in enumerate(kept, 1)
            ]
            beside = side_by_side(before, width), side_by_side([line for line in ordered if line.text], width)
            yield index + 1, before, order, beside, changed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
