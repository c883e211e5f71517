"""Ruled tables of a PDF page: pdfplumber's finder makes cells of the lines drawn on the page.

The words of the cells come from pdfium, and so do the edges, so that the file is not opened a second time. What is not
clearly a table stays text: a false table is worse than none.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from typing import Any

from indexes.readers.pdf.layout import Line
from indexes.readers.pdf.strings import HALVES
from indexes.readers.tables.cells import Cell, Row, spread

_MOST_OBJECTS = 6000  # objects examined per page
_MOST_EDGES = 4000
_THIN = 2.5  # points; a rectangle thinner than this is a line
_LONG_CELL = 400  # characters: prose in a frame
_DEPTH = 4  # nesting of forms
_BOLD = re.compile(r"bold|black|heavy|demi|hei(?:ti)?\b|simhei|黑体", re.IGNORECASE)
_BOLD_WEIGHT = 700
Matrix = tuple[float, float, float, float, float, float]
_UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def with_tables(lines: list[Line], page: Any, textpage: Any, height: float) -> list[Line]:
    """Return the page's lines with each ruled table in place of the lines inside it.

    Args:
        lines: from ``page_lines``.
        page, textpage: pypdfium2's objects.
        height: height of the page in points.
    """
    if not any(line.text for line in lines) or page.get_rotation() % 360:
        return lines
    edges = list(_edges(page, height))
    upright = sum(edge["orientation"] == "v" for edge in edges)
    if upright < 2 or len(edges) - upright < 2 or len(edges) > _MOST_EDGES:
        return lines
    for cells in _found(edges):
        rows = _rows(cells, textpage, height)
        if rows is None:
            continue
        box = _outline(cells, height)
        inside = [index for index, line in enumerate(lines) if line.text and _stands_in(line, box)]
        if not inside or any(_crosses(line, box) for line in lines if line.text):
            continue
        table = Line("", box[0], box[1], box[2], box[3], rows=rows)
        gone = set(inside[1:])
        lines[inside[0]] = table
        lines = [line for index, line in enumerate(lines) if index not in gone]
    return lines


def _outline(cells: Sequence[tuple[float, float, float, float]], height: float) -> tuple[float, float, float, float]:
    left, top = min(cell[0] for cell in cells), min(cell[1] for cell in cells)
    right, bottom = max(cell[2] for cell in cells), max(cell[3] for cell in cells)
    return left, height - bottom, right, height - top


def _stands_in(line: Line, box: tuple[float, float, float, float]) -> bool:
    x, y = (line.left + line.right) / 2, (line.bottom + line.top) / 2
    return line.placed and box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _crosses(line: Line, box: tuple[float, float, float, float]) -> bool:
    """Return whether a line begins inside the table and extends far beyond its sides."""
    y = (line.bottom + line.top) / 2
    if not (line.placed and box[1] <= y <= box[3] and line.left < box[2] and line.right > box[0]):
        return False
    return line.left < box[0] - 12 or line.right > box[2] + 12


def _found(edges: list[dict[str, Any]]) -> list[list[tuple[float, float, float, float]]]:
    from pdfplumber.table import cells_to_tables, edges_to_intersections, intersections_to_cells, merge_edges

    merged = merge_edges(edges, 3, 3, 3, 3)
    tables: list[list[tuple[float, float, float, float]]] = cells_to_tables(
        intersections_to_cells(edges_to_intersections(merged, 3, 3))
    )
    return [cells for cells in tables if len(cells) >= 4]


def _rows(cells: Sequence[tuple[float, float, float, float]], textpage: Any, height: float) -> list[Row] | None:
    """Return the table's rows with spans; None if the cells do not form a table."""
    columns, lines = sorted({cell[0] for cell in cells}), sorted({cell[1] for cell in cells})
    if len(columns) < 2 or len(lines) < 2:
        return None
    placed: list[list[Cell]] = [[] for _ in lines]
    filled: list[str] = []
    columns_used: dict[int, int] = {}
    for left, top, right, bottom in sorted(cells, key=lambda cell: (cell[1], cell[0])):
        row, column = lines.index(top), columns.index(left)
        across = sum(left <= x < right - 1 for x in columns)
        down = sum(top <= y < bottom - 1 for y in lines)
        inset = min(1.0, (right - left) / 8, (bottom - top) / 8)
        box = (left + inset, height - bottom + inset, right - inset, height - top - inset)
        text = textpage.get_text_bounded(*box, errors=HALVES)
        words = " ".join(text.replace("\0", "").split())
        if words:
            filled.append(words)
            columns_used[column] = columns_used.get(column, 0) + 1
        bold = bool(words) and _is_bold(textpage, (left, height - bottom, right, height - top))
        placed[row].append(Cell(words, max(across, 1), max(down, 1), bold=bold))
    if len(filled) * 2 < len(cells) or sum(count > 1 for count in columns_used.values()) < 2:
        return None
    if sum(len(words) > _LONG_CELL for words in filled) * 5 > len(filled):
        return None
    rows = list(spread((0, row, False) for row in placed))
    width = len(columns)
    return rows if all(len(row.cells) <= width for row in rows) else None


def _is_bold(textpage: Any, box: tuple[float, float, float, float]) -> bool:
    """Return whether the character nearest to the middle of a cell is bold, by its font's name or weight."""
    from pypdfium2 import raw

    left, bottom, right, top = box
    index = raw.FPDFText_GetCharIndexAtPos(
        textpage.raw, (left + right) / 2, (bottom + top) / 2, right - left, top - bottom
    )
    while index > 0 and raw.FPDFText_IsGenerated(textpage.raw, index) == 1:
        index -= 1  # blanks and line ends inserted by pdfium
    if index < 0:
        return False
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    length = raw.FPDFText_GetFontInfo(textpage.raw, index, name, len(name), ctypes.byref(flags))
    if 0 < length <= len(name) and _BOLD.search(name.value.decode("utf-8", "replace")):
        return True
    return bool(raw.FPDFText_GetFontWeight(textpage.raw, index) >= _BOLD_WEIGHT)


def _edges(page: Any, height: float) -> Iterator[dict[str, Any]]:
    """Yield the horizontal and vertical lines drawn on the page, in pdfplumber's form."""
    from pypdfium2 import raw

    left_to_do = [_MOST_OBJECTS]
    handle, get, kind_of = page.raw, raw.FPDFPage_GetObject, raw.FPDFPageObj_GetType
    drawn = (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_FORM)
    for index in range(min(raw.FPDFPage_CountObjects(handle), _MOST_OBJECTS)):
        item = get(handle, index)
        if kind_of(item) in drawn:  # most are text
            yield from _edges_of(item, _UNIT, 0, height, left_to_do)
        else:
            left_to_do[0] -= 1


def _edges_of(item: Any, matrix: Matrix, depth: int, height: float, left_to_do: list[int]) -> Iterator[dict[str, Any]]:
    from pypdfium2 import raw

    left_to_do[0] -= 1
    if left_to_do[0] < 0:
        return
    kind = raw.FPDFPageObj_GetType(item)
    if kind == raw.FPDF_PAGEOBJ_FORM and depth < _DEPTH:
        inner = _times(_matrix(item), matrix)
        for index in range(raw.FPDFFormObj_CountObjects(item)):
            yield from _edges_of(raw.FPDFFormObj_GetObject(item, index), inner, depth + 1, height, left_to_do)
    elif kind == raw.FPDF_PAGEOBJ_PATH:
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        raw.FPDFPath_GetDrawMode(item, ctypes.byref(fill), ctypes.byref(stroke))
        if not fill.value and not stroke.value:
            return
        for (x0, y0), (x1, y1) in _segments(item, _times(_matrix(item), matrix), bool(stroke.value)):
            if abs(x0 - x1) < 0.7 and abs(y0 - y1) > 3:
                yield _edge("v", (x0 + x1) / 2, (x0 + x1) / 2, height - max(y0, y1), height - min(y0, y1))
            elif abs(y0 - y1) < 0.7 and abs(x0 - x1) > 3:
                level = height - (y0 + y1) / 2
                yield _edge("h", min(x0, x1), max(x0, x1), level, level)


def _edge(orientation: str, x0: float, x1: float, top: float, bottom: float) -> dict[str, Any]:
    return {
        "orientation": orientation,
        "object_type": "line",
        "x0": x0,
        "x1": x1,
        "top": top,
        "bottom": bottom,
        "width": x1 - x0,
        "height": bottom - top,
    }


Point = tuple[float, float]


def _segments(path: Any, matrix: Matrix, stroked: bool) -> Iterator[tuple[Point, Point]]:
    """Yield the straight segments of a path; a thin filled rectangle is one line."""
    from pypdfium2 import raw

    count = raw.FPDFPath_CountSegments(path)
    if not 2 <= count <= 400:
        return
    pieces: list[tuple[Point, Point]] = []
    first: Point | None = None
    last: Point | None = None
    x, y = ctypes.c_float(), ctypes.c_float()
    for index in range(count):
        segment = raw.FPDFPath_GetPathSegment(path, index)
        raw.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        here = _moved(matrix, x.value, y.value)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            first = here
        elif kind == raw.FPDF_SEGMENT_LINETO and last is not None:
            pieces.append((last, here))
        elif kind == raw.FPDF_SEGMENT_BEZIERTO:
            return  # a curve: a drawing
        last = here
        if raw.FPDFPathSegment_GetClose(segment) and first is not None and here != first:
            pieces.append((here, first))
    if not stroked and len(pieces) == 4:
        xs, ys = [point[0] for piece in pieces for point in piece], [point[1] for piece in pieces for point in piece]
        wide, tall = max(xs) - min(xs), max(ys) - min(ys)
        if tall <= _THIN < wide:
            middle = (min(ys) + max(ys)) / 2
            pieces = [((min(xs), middle), (max(xs), middle))]
        elif wide <= _THIN < tall:
            middle = (min(xs) + max(xs)) / 2
            pieces = [((middle, min(ys)), (middle, max(ys)))]
    yield from pieces


def _matrix(item: Any) -> Matrix:
    from pypdfium2 import raw

    found = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(item, ctypes.byref(found)):
        return _UNIT
    return found.a, found.b, found.c, found.d, found.e, found.f


def _times(one: Matrix, two: Matrix) -> Matrix:
    """Combine two transformations: first ``one``, then ``two``."""
    a, b, c, d, e, f = one
    g, h, i, j, k, m = two
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def _moved(matrix: Matrix, x: float, y: float) -> Point:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f
