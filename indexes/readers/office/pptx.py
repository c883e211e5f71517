"""PowerPoint (.pptx): each slide is a page with its title as heading; text in columns (``slide_order``), tables,
SmartArt, charts.

Left out: hidden slides and struck-through text (both noted), slide numbers, dates and footers, pictures. Speaker notes
follow the slide under the heading "Notes".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, collapse_lines
from indexes.readers.inline import in_symbol_font, is_symbol_font, lowered, raised
from indexes.readers.numerals import office_number
from indexes.readers.office.drawings import diagram_lines
from indexes.readers.office.slide_order import in_order
from indexes.readers.office.zip_container import office_stream, xml
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.cells import Cell, spread
from indexes.readers.tables.grid import TablePlace, add_table

_REMEDY = "open it in PowerPoint or LibreOffice and save it again, or leave it out"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"
_DATA = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}dm"
_AUTO = {
    "arabicDb": "decimalFullWidth", "arabic": "decimal", "alphaLc": "lowerLetter", "alphaUc": "upperLetter",
    "romanLc": "lowerRoman", "romanUc": "upperRoman", "circleNum": "decimalEnclosedCircle",
    "ea1Chs": "chineseCounting", "ea1Cht": "chineseCounting", "ea1JpnKor": "chineseCounting",
}  # fmt: skip
_MARGINS = ("SLIDE_NUMBER", "DATE", "FOOTER", "HEADER")


def read(file: SourceFile) -> Extract:
    """Read a PowerPoint presentation.

    >>> from pptx import Presentation
    >>> presentation = Presentation()
    >>> presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = "The mill"
    >>> presentation.save(folder / "a.pptx")
    >>> [(section.kind, section.page) for section in read(SourceFile("a.pptx", folder / "a.pptx")).sections]
    [('heading', 1)]
    """
    from pptx import Presentation

    builder = OutlineBuilder()
    with office_stream(file, "a PowerPoint presentation", "ppt/") as stream:
        try:
            presentation = Presentation(stream)
            hidden = []
            for number, slide in enumerate(presentation.slides, start=1):
                if slide._element.get("show") in ("0", "false"):
                    hidden.append(number)
                else:
                    _add_slide(file, builder, slide, number)
        except (KeyError, ValueError, AttributeError, etree.XMLSyntaxError) as error:
            what = f"'{file}' is damaged or not a PowerPoint presentation ({error})"
            raise ReaderError(what, remedy=_REMEDY) from error
        if hidden:
            file.note(f"its hidden slides were left out: {', '.join(map(str, hidden))}")
        return builder.build({"title": (presentation.core_properties.title or "").strip()})


def _add_slide(file: SourceFile, builder: OutlineBuilder, slide: Any, page: int) -> None:
    builder.leave()
    title = slide.shapes.title
    if title is not None:
        builder.heading(1, " ".join(words for _, words in _paragraphs(file, title.text_frame)), page)
    at = title.shape_id if title is not None else None
    for shape in in_order(shape for shape in slide.shapes if shape.shape_id != at and not _is_margin(shape)):
        _add_shape(file, builder, slide, shape, page)
    if slide.has_notes_slide:
        frame = slide.notes_slide.notes_text_frame
        words = "\n".join(words for _, words in _paragraphs(file, frame)) if frame is not None else ""
        if words:
            builder.heading(6, "Notes", page)
            builder.paragraph(words, page)


def _is_margin(shape: Any) -> bool:
    return bool(shape.is_placeholder and shape.placeholder_format.type.name in _MARGINS)


def _add_shape(file: SourceFile, builder: OutlineBuilder, slide: Any, shape: Any, page: int) -> None:
    if getattr(shape, "has_table", False) and shape.has_table:
        add_table(builder, spread(_table(file, shape.table)), TablePlace(page=page))
    elif getattr(shape, "has_chart", False) and shape.has_chart:
        _add_chart(builder, shape.chart, page)
    elif shape.has_text_frame:
        glue = "\n\n"
        for level, words in _paragraphs(file, shape.text_frame):
            builder.paragraph(words if glue == "\n\n" else "  " * level + words, page, glue=glue)
            glue = "\n"
    else:
        _add_diagram(builder, slide, shape, page)


def _add_diagram(builder: OutlineBuilder, slide: Any, shape: Any, page: int) -> None:
    """Add the texts of a SmartArt diagram as a list."""
    relations = next(iter(shape._element.iter(_DIAGRAM)), None)
    if relations is None:
        return
    part = slide.part.rels.get(relations.get(_DATA) or "")
    if part is None or part.is_external:
        return
    glue = "\n\n"
    for depth, words in diagram_lines(xml(part.target_part.blob)):
        builder.paragraph(f"- {' '.join(words.split())}", page, glue=glue + "  " * depth)
        glue = "\n"


def _paragraphs(file: SourceFile, frame: Any) -> Iterator[tuple[int, str]]:
    """Yield (level, words) of the non-empty paragraphs of a text frame, with automatic numbers."""
    numbers: dict[int, tuple[str, int]] = {}  # level -> (kind of number, next number)
    for paragraph in frame.paragraphs:
        words = collapse_lines(_words(file, paragraph._p))
        if not words:
            continue
        properties = paragraph._p.find(f"{_A}pPr")
        auto = properties.find(f"{_A}buAutoNum") if properties is not None else None
        level = paragraph.level
        numbers = {at: kept for at, kept in numbers.items() if at <= level}
        if auto is None:
            numbers.pop(level, None)
        else:
            form, start = auto.get("type") or "arabicPeriod", auto.get("startAt") or "1"
            kept = numbers.get(level)
            number = kept[1] if kept is not None and kept[0] == form else int(start) if start.isdecimal() else 1
            numbers[level] = (form, number + 1)
            words = _numbered(number, form) + words
        yield level, words


def _numbered(number: int, form: str) -> str:
    """Return the number of an item: "a) " for alphaLcParenR."""
    for begin, known in _AUTO.items():
        if form.startswith(begin):
            words = office_number(number, known)
            ending = form[len(begin) :]
            return {"ParenBoth": f"({words}) ", "ParenR": f"{words}) ", "Plain": f"{words} "}.get(ending, f"{words}. ")
    return f"{number}. "


def _words(file: SourceFile, paragraph: Any) -> str:
    """Return the words of a paragraph with fields and line breaks (``paragraph.text`` omits fields)."""
    parts: list[str] = []
    for node in paragraph.iter(f"{_A}t", f"{_A}br"):
        if node.tag == f"{_A}br":
            parts.append("\n")
            continue
        words = node.text or ""
        above = node.getparent()
        properties = above.find(f"{_A}rPr") if above is not None else None
        if properties is not None:
            if properties.get("strike") in ("sngStrike", "dblStrike"):
                file.leave_out("struck-through passage")
                continue
            font = next((item.get("typeface") for item in properties.iter(f"{_A}sym", f"{_A}latin")), None)
            if is_symbol_font(font):
                words = in_symbol_font(font or "", words)
            baseline = properties.get("baseline") or "0"
            if baseline.lstrip("-").isdecimal() and int(baseline):
                words = (raised if int(baseline) > 0 else lowered)("".join(parts[-3:]), words)
        parts.append(words)
    return "".join(parts)


def _table(file: SourceFile, table: Any) -> Iterator[tuple[int, list[Cell], bool]]:
    looks = bool(table.first_row)
    for number, row in enumerate(table.rows):
        cells: list[Cell] = []
        for cell in row.cells:
            if cell.is_spanned:
                continue
            words = " ".join(" ".join(words for _, words in _paragraphs(file, cell.text_frame)).split())
            across, down = (cell.span_width, cell.span_height) if cell.is_merge_origin else (1, 1)
            cells.append(Cell(words, across, down, bold=(looks and number == 0) or _is_bold(cell)))
        yield number, cells, False


def _is_bold(cell: Any) -> bool:
    runs = [run for run in cell._tc.iter(f"{_A}r") if (run.findtext(f"{_A}t") or "").strip()]
    properties = [run.find(f"{_A}rPr") for run in runs]
    return bool(runs) and all(item is not None and item.get("b") in ("1", "true") for item in properties)


def _add_chart(builder: OutlineBuilder, chart: Any, page: int) -> None:
    """Add a chart as a table of its numbers: one row per category, one column per series."""
    title = chart.chart_title.text_frame.text if chart.has_title and chart.chart_title.has_text_frame else ""
    plots = list(chart.plots)
    if not plots:
        return
    series = list(plots[0].series)
    categories = [str(category) for category in plots[0].categories]
    rows = [["", *(item.name or "" for item in series)]]
    for index, category in enumerate(categories):
        values = [item.values[index] if index < len(item.values) else None for item in series]
        rows.append([category, *("" if value is None else f"{value:.15g}" for value in values)])
    builder.table(rows, page, caption=title)
