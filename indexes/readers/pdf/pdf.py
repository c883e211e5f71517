"""PDF (.pdf): the text of each page with its number, in reading order, joined to paragraphs; bookmarks are headings.

``layout`` finds the lines of a page, ``ruled`` its tables, ``fields`` its form fields, ``order`` the reading order, and
``text`` joins the lines. Text that crosses a page break is not divided. pdfium repairs damaged cross-reference tables;
a page that it cannot load is left out and noted. Scanned pages go to the OCR function if there is one, else they are
noted by number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pypdfium2

from indexes.display import counted
from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, glue_between
from indexes.readers.pdf.fields import add_annotations
from indexes.readers.pdf.layout import Line
from indexes.readers.pdf.order import in_order, lines_of
from indexes.readers.pdf.ruled import with_tables
from indexes.readers.pdf.strings import bookmark_title, info
from indexes.readers.pdf.text import ENDS, Hyphens, goes_on, over_pages, unwrap, without_margins
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.grid import TablePlace, add_table

_MAX_BOOKMARK_DEPTH = 6
_OCR_SCALE = 200 / 72  # pictures of 200 dots per inch
_IMAGE = 3  # pdfium's FPDF_PAGEOBJ_IMAGE
_REMEDY = "open and save it again, or leave it out"


def read(file: SourceFile) -> Extract:
    """Read a PDF file."""
    pdf = _open(file)
    try:
        count = len(pdf)
        reading = _PdfReading(file, pdf)
        for number in range(count):
            reading.page(number)
        bookmarks = _bookmarks(pdf)
        title = info(pdf, "Title")
    except pypdfium2.PdfiumError as error:
        raise ReaderError(f"'{file}' is damaged ({_reason(error)})", remedy=_REMEDY) from error
    finally:
        pdf.close()
    reading.report()
    pages = without_margins(reading.pages, reading.heights)
    builder = OutlineBuilder()
    hyphens = Hyphens(pages)
    over_pages(pages, hyphens)
    for number, lines in enumerate(pages):
        _add_page(builder, lines, number + 1, bookmarks.get(number, []), hyphens)
    return builder.build({"title": title})


def _reason(error: Exception | None) -> str:
    """Return pdfium's words without their full stop: they stand within a sentence of ours."""
    return str(error).rstrip(".")


def _open(file: SourceFile) -> pypdfium2.PdfDocument:
    source = file.path if file.path is not None else file.data
    password = file.password()
    last: Exception | None = None
    for attempt in (None, password) if password else (None,):
        try:
            return pypdfium2.PdfDocument(source, password=attempt)
        except pypdfium2.PdfiumError as error:
            last = error
            if "password" not in str(error).lower():
                break
    if last is None or "password" not in str(last).lower():
        raise ReaderError(f"'{file}' is damaged or not a PDF ({_reason(last)})", remedy=_REMEDY) from last
    variable = file.settings.password_env
    why = f", and the one in {variable} does not open it" if password else ""
    raise ReaderError(
        f"'{file}' is locked by a password{why}",
        remedy=f"put its password into the environment variable {variable}, or save a copy without the password",
    ) from last


class _PdfReading:
    """The pages read so far, and those that cannot be read."""

    def __init__(self, file: SourceFile, pdf: pypdfium2.PdfDocument) -> None:
        self.file = file
        self.pdf = pdf
        self.pages: list[list[Line]] = []
        self.heights: list[float] = []
        self.damaged: list[int] = []
        self.scanned: list[int] = []
        self.by_ocr: list[int] = []
        self.reordered: list[int] = []
        self.untabled: list[int] = []
        self.form = _form(pdf)

    def page(self, number: int) -> None:
        lines: list[Line] = []
        height = 0.0
        try:
            page = self.pdf[number]
        except pypdfium2.PdfiumError:
            self.damaged.append(number + 1)
        else:
            try:
                width, height = page.get_size()
                with closing(page.get_textpage()) as textpage:
                    lines = self._with_tables(lines_of(textpage, width), page, textpage, number, height)
                    lines, changed = in_order(lines, width)
                    if changed:
                        self.reordered.append(number + 1)
                    lines = add_annotations(lines, page, self.form)
                if not any(line.text or line.rows for line in lines):
                    lines = self._without_text(page, number + 1)
            except pypdfium2.PdfiumError:
                self.damaged.append(number + 1)
            finally:
                page.close()
        self.pages.append(lines)
        self.heights.append(height)

    def _with_tables(self, lines: list[Line], page: Any, textpage: Any, number: int, height: float) -> list[Line]:
        """Return the lines with ruled tables; if drawings confuse the finder, pdfium's lines, with a note."""
        try:
            return with_tables(lines, page, textpage, height)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            self.untabled.append(number + 1)
            return lines

    def _without_text(self, page: Any, number: int) -> list[Line]:
        if next(iter(page.get_objects(filter=[_IMAGE], max_depth=4)), None) is None:
            return []  # a blank page
        if self.file.ocr is None:
            self.scanned.append(number)
            return []
        text = self.file.ocr(page.render(scale=_OCR_SCALE).to_pil())
        (self.by_ocr if text.strip() else self.scanned).append(number)
        return [Line(" ".join(line.split())) for line in text.split("\n")] if text.strip() else []

    def report(self) -> None:
        """Add notes on pages without text.

        Raises:
            ReaderError: no page has text.
        """
        if not any(line.text or line.rows for lines in self.pages for line in lines):
            if self.damaged and not self.scanned:
                raise ReaderError(f"'{self.file}' is damaged: none of its pages can be loaded", remedy=_REMEDY)
            seems = ", it seems scanned" if self.scanned else ""
            raise ReaderError(
                f"'{self.file}' has no text in its {counted(len(self.pages), 'page')}{seems}",
                remedy="run an OCR program over it (for example: ocrmypdf in.pdf out.pdf) or set read.ocr",
            )
        for numbers, one, many in (
            (self.scanned, "page {} has no text (scanned)", "pages {} have no text (scanned)"),
            (self.damaged, "page {} is damaged and was left out", "pages {} are damaged and were left out"),
            (self.untabled, "tables on page {} were read as lines", "tables on pages {} were read as lines"),
            (self.by_ocr, "the text of page {} is by OCR", "the text of pages {} is by OCR"),
        ):
            if numbers:
                self.file.note((one if len(numbers) == 1 else many).format(_ranges(numbers)))


def _ranges(numbers: Sequence[int]) -> str:
    """ "3, 7-9" of [3, 7, 8, 9]."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _bookmarks(pdf: pypdfium2.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """Return page index -> (level from 1, title) of its bookmarks, in order."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for bookmark in pdf.get_toc(max_depth=_MAX_BOOKMARK_DEPTH):
        target = bookmark.get_dest()
        index = target.get_index() if target is not None else None
        title = bookmark_title(bookmark)
        if index is not None and title:
            found[index].append((bookmark.level + 1, title))
    return found


def _form(pdf: pypdfium2.PdfDocument) -> Any:
    """Return pdfium's form environment; None if the file has no form."""
    if pdf.get_formtype() == pypdfium2.raw.FORMTYPE_NONE:
        return None
    pdf.init_forms()  # before the first page is loaded
    return pdf.formenv.raw if pdf.formenv is not None else None


def _add_page(
    builder: OutlineBuilder, lines: list[Line], page: int, bookmarks: list[tuple[int, str]], hyphens: Hyphens
) -> None:
    waiting = list(bookmarks)
    here = {_key(line.text) for line in lines}
    for level, title in [mark for mark in waiting if _key(mark[1]) not in here]:
        builder.enter(level, title)  # no line has these words: the heading applies from the top of the page
    waiting = [mark for mark in waiting if _key(mark[1]) in here]
    body: list[str] = []
    for line in lines:
        if line.rows:
            _add_paragraphs(builder, body, page, hyphens)
            body = []
            add_table(builder, line.rows, TablePlace(page=page))
        elif line.row:
            _add_paragraphs(builder, body, page, hyphens)
            body = []
            builder.paragraph(line.text, page)
        elif waiting and _key(line.text) == _key(waiting[0][1]):
            _add_paragraphs(builder, body, page, hyphens)
            body = []
            level, title = waiting.pop(0)
            builder.heading(level, title, page)
        else:
            body.append(line.text)
    _add_paragraphs(builder, body, page, hyphens)


def _key(line: str) -> str:
    return "".join(line.split()).casefold()


def _add_paragraphs(builder: OutlineBuilder, lines: list[str], page: int, hyphens: Hyphens) -> None:
    for index, (paragraph, tight) in enumerate(unwrap(lines, hyphens)):
        glue = "\n" if tight else "\n\n"
        if index == 0 and builder.last_text[-1:] not in ENDS and goes_on(builder.last_text, paragraph):
            glue = glue_between(builder.last_text, paragraph)
        builder.paragraph(paragraph, page, glue=glue)
