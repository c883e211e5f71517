"""PowerPoint (.pptx): each slide is a page, its title the heading; text from top to bottom, tables, charts, notes.

Left out: hidden slides (noted), slide numbers, dates and footers, pictures. Speaker notes follow the slide under
their own heading "Notes".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, collapse_lines
from indexes.readers.office.zip_container import office_stream
from indexes.readers.source_file import SourceFile

_REMEDY = "open it in PowerPoint or LibreOffice and save it again, or leave it out"
_MARGINS = ("SLIDE_NUMBER", "DATE", "FOOTER", "HEADER")


def read(file: SourceFile) -> Extract:
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
                    _add_slide(builder, slide, number)
        except (KeyError, ValueError, AttributeError, etree.XMLSyntaxError) as error:
            raise ReaderError(f"'{file}' is damaged or no PowerPoint presentation ({error})", remedy=_REMEDY) from error
        if hidden:
            file.note(f"its hidden slides were left out: {', '.join(map(str, hidden))}")
        return builder.build({"title": (presentation.core_properties.title or "").strip()})


def _add_slide(builder: OutlineBuilder, slide: Any, page: int) -> None:
    builder.leave()
    title = slide.shapes.title
    if title is not None:
        builder.heading(1, title.text_frame.text.replace("\v", " "), page)
    for shape in _in_order(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        _add_shape(builder, shape, page)
    if slide.has_notes_slide:
        frame = slide.notes_slide.notes_text_frame
        words = collapse_lines(frame.text.replace("\v", "\n")) if frame is not None else ""
        if words:
            builder.heading(6, "Notes", page)
            builder.paragraph(words, page)


def _add_shape(builder: OutlineBuilder, shape: Any, page: int) -> None:
    if shape.is_placeholder and shape.placeholder_format.type.name in _MARGINS:
        return
    if getattr(shape, "has_table", False) and shape.has_table:
        builder.table(_table(shape.table), page)
    elif getattr(shape, "has_chart", False) and shape.has_chart:
        _add_chart(builder, shape.chart, page)
    elif shape.has_text_frame:
        glue = "\n\n"
        for paragraph in shape.text_frame.paragraphs:
            words = collapse_lines("".join(_runs(paragraph)))
            if words:
                builder.paragraph(words if glue == "\n\n" else "  " * paragraph.level + words, page, glue=glue)
                glue = "\n"


def _runs(paragraph: Any) -> Iterator[str]:
    """Words of a paragraph with its fields and line breaks (``paragraph.text`` leaves fields out)."""
    for node in paragraph._p.iter():
        name = etree.QName(node).localname if isinstance(node.tag, str) else ""
        if name == "t":
            yield node.text or ""
        elif name == "br":
            yield "\n"


def _in_order(shapes: Iterable[Any]) -> Iterator[Any]:
    """Shapes from top to bottom, then left to right; groups are opened. Rows are a quarter of an inch."""
    flat: list[Any] = []
    waiting = list(reversed(list(shapes)))
    while waiting:
        shape = waiting.pop()
        if hasattr(shape, "shapes"):
            waiting.extend(reversed(list(shape.shapes)))
        else:
            flat.append(shape)
    return iter(sorted(flat, key=lambda shape: ((shape.top or 0) // 228_600, shape.left or 0)))


def _table(table: Any) -> list[list[str]]:
    """A cell that is merged over rows repeats its words in each, one over columns is followed by empty cells."""
    rows: list[list[str]] = []
    for row in table.rows:
        cells: list[str] = []
        for cell in row.cells:
            above = rows[-1][len(cells)] if rows and len(rows[-1]) > len(cells) else ""
            if not cell.is_spanned:
                cells.append(" ".join(cell.text_frame.text.split()))
            else:
                cells.append(above if cell._tc.vMerge else "")
        rows.append(cells)
    return rows


def _add_chart(builder: OutlineBuilder, chart: Any, page: int) -> None:
    """A chart is its numbers: categories down, series across."""
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
