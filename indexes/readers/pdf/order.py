"""The reading order of a page's lines: pdfium's own, or that of the columns.

pdfium's order stands unless another one has fewer neighbours that stand side by side (of one height, with a gap between
them), as it has where columns were drawn line by line: at least three, and half of them gone, so that formulas and rows
of tables are left alone. The other order is made by pdfminer's grouping of pdfium's lines
into boxes (Karger's clustering of boxes by the area between them).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from indexes.readers.pdf.layout import Line
from indexes.readers.tables.kinds import TYPED, kind_of

_LINE_MARGIN = 0.8  # of a line's height: lines nearer than this make a box
_MOST_LINES = 500  # grouping takes time by the square: a page of more is a map or a table
_MOST_BOXES = 160
_FEW_ROWS = 3  # fewer lines side by side are no columns
_ALIGNED = 4.0  # points between the beginnings of cells in one column
_LOW = 0.75  # of the usual height: a line such as "see us" has no tall letter, but a line's height all the same
_NARROW = 0.12  # of the page's width: entries of a table, not lines of a column


def in_order(lines: list[Line], width: float) -> tuple[list[Line], bool]:
    """The lines in reading order, and whether that is another one than pdfium's.

    Args:
        lines: as ``page_lines`` gives them.
        width: of the page, in points.
    """
    parted = list(_rows_joined(lines, width))
    worded = [line for line in parted if line.text or line.rows]
    if len(worded) < 4 or not all(line.placed for line in worded):
        return rejoined(parted), False
    upright = [line for line in worded if not _is_turned(line)]
    beside = side_by_side(upright, width)
    if beside < _FEW_ROWS or len(upright) > _MOST_LINES:
        return rejoined(parted), False
    ordered = _grouped(upright)
    if ordered is None or side_by_side(ordered, width) * 2 > beside:
        return rejoined(parted), False
    for line in ordered:
        line.joined = False
    return ordered + [line for line in worded if _is_turned(line)], True


def side_by_side(lines: Sequence[Line], width: float) -> int:
    """How many neighbours in this order stand at one height with a gap between them, both wide enough for text.

    Words that stand on the page time and again are labels beside what they label: [Function], Price on request.
    """
    wide = _NARROW * width
    said = Counter(line.text for line in lines)
    return sum(
        _beside(before, after)
        for before, after in pairwise(lines)
        if before.right - before.left > wide < after.right - after.left
        and said[before.text] < _FEW_ROWS
        and said[after.text] < _FEW_ROWS
    )


def _beside(before: Line, after: Line) -> bool:
    height = min(before.height, after.height)
    overlap = min(before.top, after.top) - max(before.bottom, after.bottom)
    if overlap < 0.5 * height:
        return False
    gap = max(after.left - before.right, before.left - after.right)
    return gap > 0.6 * height


def _is_turned(line: Line) -> bool:
    """Text that runs upwards, such as a stamp in the margin."""
    return len(line.text) > 3 and not line.rows and line.height > 2 * (line.right - line.left)


def _rows_joined(lines: Sequence[Line], width: float) -> Iterator[Line]:
    """Lines that were parted at a gap stay so only where they look like columns of text, not like rows of a table."""
    for row_run in _runs(lines):
        if len(row_run) == 1 or _are_columns(row_run, width):
            for row in row_run:
                yield from row
        else:
            are_rows = _are_rows([row for row in row_run if row])
            for row in row_run:
                for line in rejoined(row):
                    line.row = are_rows
                    yield line


def _runs(lines: Sequence[Line]) -> Iterator[list[list[Line]]]:
    """Rows of parts that follow each other; whole lines by themselves."""
    run: list[list[Line]] = []
    row: list[Line] = []
    for line in lines:
        row.append(line)
        if line.joined:
            continue
        if len(row) > 1:
            run.append(row)
        else:
            if run:
                yield _or_single(run)
                run = []
            yield [row]
        row = []
    if row:
        run.append(row)
    if run:
        yield _or_single(run)


def _or_single(run: list[list[Line]]) -> list[list[Line]]:
    """A run of few rows as one that is never taken for columns."""
    return run if len(run) > 1 else [*run, []]


def _are_columns(rows: Sequence[Sequence[Line]], width: float) -> bool:
    """Do the parts of these rows fill their columns as running text does? Terms and what they mean do not."""
    parts = [line for row in rows for line in row]
    if len([row for row in rows if row]) < _FEW_ROWS or not all(line.placed for line in parts):
        return False
    columns: dict[int, list[Line]] = defaultdict(list)
    for row in rows:
        for line in row:
            columns[round(line.left / (0.04 * width))].append(line)
    full = [found for found in columns.values() if len(found) >= _FEW_ROWS]
    if len(full) < 2 or any(_are_labels(found) or not _fills(found, width) for found in full):
        return False
    figures = sum(kind_of(line.text) in TYPED for line in parts)
    return figures * 10 < 3 * len(parts)


def _are_rows(rows: Sequence[Sequence[Line]]) -> bool:
    """Do the parts of neighbouring lines begin, or end, at the same places, as the columns of a table do?"""
    if len(rows) < 2 or not all(line.placed for row in rows for line in row):
        return False
    for above, row in pairwise(rows):
        begins, ends = [line.left for line in above[1:]], [line.right for line in above[1:]]
        if not all(_is_near(line.left, begins) or _is_near(line.right, ends) for line in row[1:]):
            return False
    return True


def _is_near(place: float, places: Sequence[float]) -> bool:
    return any(abs(place - other) < _ALIGNED for other in places)


def _are_labels(lines: Sequence[Line]) -> bool:
    """Does a column say the same few words time and again?"""
    return len({line.text for line in lines}) * 2 <= len(lines)


def _fills(lines: Sequence[Line], page: float) -> bool:
    widths = [line.right - line.left for line in lines]
    full = max(widths)
    return full > _NARROW * page and sum(width > 0.75 * full for width in widths) * 2 > len(widths)


def rejoined(lines: Sequence[Line]) -> list[Line]:
    """Parted lines whole again: a row of a table, not two columns."""
    whole: list[Line] = []
    joins = False
    for line in lines:
        if joins and not line.rows:
            last = whole[-1]
            last.text = f"{last.text} {line.text}"
            last.right, last.top = max(last.right, line.right), max(last.top, line.top)
            last.bottom = min(last.bottom, line.bottom)
        else:
            whole.append(Line(line.text, line.left, line.bottom, line.right, line.top, row=line.row, rows=line.rows))
        joins = line.joined
    return whole


def _grouped(lines: Sequence[Line]) -> list[Line] | None:
    """The lines box by box, as pdfminer groups them; None where there are too many boxes."""
    from pdfminer.layout import IndexAssigner, LAParams, LTLayoutContainer, LTTextLineHorizontal

    parameters = LAParams(line_margin=_LINE_MARGIN)
    box = (
        min(line.left for line in lines) - 1,
        min(line.bottom for line in lines) - 1,
        max(line.right for line in lines) + 1,
        max(line.top for line in lines) + 1,
    )
    container = LTLayoutContainer(box)
    known: dict[int, Line] = {}
    items = []
    full = sorted(line.height for line in lines)[len(lines) // 2]
    low = _LOW * full
    for line in lines:
        item = LTTextLineHorizontal(parameters.word_margin)
        item.set_bbox((line.left, line.bottom, line.right, max(line.top, line.bottom + full * (line.height < low))))
        known[id(item)] = line
        items.append(item)
    boxes: list[Any] = list(container.group_textlines(parameters, items))
    if len(boxes) > _MOST_BOXES:
        return None
    assigner = IndexAssigner()
    for group in container.group_textboxes(parameters, boxes):
        group.analyze(parameters)
        assigner.run(group)
    ordered: list[Line] = []
    for found in sorted(boxes, key=lambda item: item.index):
        ordered += [known[id(item)] for item in sorted(found, key=lambda item: (-round(item.y1, 1), item.x0))]
    return ordered if len(ordered) == len(lines) else None
