"""The reading order of a page's lines: pdfium's own, or that of the columns.

pdfium's order is kept unless another one has clearly fewer consecutive lines side by side (at one height, with a gap
between them), as happens when columns were drawn line by line: at least three fewer, and at most half, so that formulas
and rows of tables are left alone. The other order is pdfminer's grouping of pdfium's lines into boxes (Karger's
clustering of boxes by the area between them), or, if columns are known, column by column, if that switches columns less
often.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from indexes.readers.pdf.layout import Line, page_lines
from indexes.readers.tables.kinds import TYPED, kind_of
from indexes.text.characters import WITHOUT_BLANKS

_LINE_MARGIN = 0.8  # of a line's height: closer lines form a box
_MOST_LINES = 500  # grouping takes quadratic time; a page with more lines is a map or a table
_MOST_BOXES = 160
_FEW_ROWS = 3  # fewer lines side by side are not columns
_ALIGNED = 4.0  # points between the left edges of cells in one column
_LOW = 0.75  # of the usual height: a line such as "see us" has no tall letters
_UNPARTED = re.compile(f"[{WITHOUT_BLANKS}]")  # scripts without blanks between words
_NARROW = 0.12  # of the page's width: entries of a table, not lines of a column


def lines_of(textpage: Any, width: float) -> list[Line]:
    """Return the lines of a page; lines that pdfium joined across columns are divided.

    Args:
        textpage: pypdfium2's PdfTextPage.
        width: width of the page in points.
    """
    lines = page_lines(textpage)
    if not any(line.joined for line in lines):
        return lines
    starts = _starts([run for run in _runs(lines) if _are_columns(run, width)])
    return page_lines(textpage, starts) if len(starts) > 1 else lines


def in_order(lines: list[Line], width: float) -> tuple[list[Line], bool]:
    """Return the lines in reading order, and whether it differs from pdfium's order.

    >>> lines = [
    ...     Line(f"{name}{row}", left, 700 - 12 * row, left + 210, 710 - 12 * row)
    ...     for row in range(4)
    ...     for name, left in (("a", 50), ("b", 310))
    ... ]
    >>> ordered, differs = in_order(lines, 595)
    >>> [line.text for line in ordered], differs
    (['a0', 'a1', 'a2', 'a3', 'b0', 'b1', 'b2', 'b3'], True)

    Args:
        lines: from ``lines_of``.
        width: width of the page in points.
    """
    runs = list(_runs(lines))
    columns = [_are_columns(run, width) for run in runs]
    starts = _starts([run for run, parted in zip(runs, columns, strict=True) if parted])
    parted = list(_rows_joined(runs, columns, starts))
    worded = [line for line in parted if line.text or line.rows]
    if len(worded) < 4 or not all(line.placed for line in worded):
        return _rejoined(parted), False
    upright = [line for line in worded if not _is_turned(line)]
    beside = side_by_side(upright, width)
    if beside < _FEW_ROWS or len(upright) > _MOST_LINES:
        return _rejoined(parted), False
    ordered = _grouped(upright, starts)
    if ordered is not None and len(starts) > 1:
        plainly = _by_columns(sorted(upright, key=lambda line: (-round(line.top, 1), line.left)), starts)
        ordered = min(ordered, plainly, key=lambda lines: _changes(lines, starts) + side_by_side(lines, width))
    if ordered is None or side_by_side(ordered, width) * 2 > beside:
        return _rejoined(parted), False
    for line, after in pairwise(parted):
        if line.joined:
            line.joined = line.row = after.row = False
    return ordered + [line for line in worded if _is_turned(line)], True


def side_by_side(lines: Sequence[Line], width: float) -> int:
    """Count consecutive lines that are side by side at one height with a gap, both wide enough for text.

    Words repeated on the page do not count: they are labels beside values ([Function], Price on request).

    >>> left, right = Line("It rains.", 50, 700, 250, 712), Line("We stay in.", 300, 700, 500, 712)
    >>> side_by_side([left, right], 595), side_by_side([left, Line("below", 50, 680, 250, 692)], 595)
    (1, 0)
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
    if overlap < 0.2 * height:  # lines of columns are at different heights
        return False
    gap = max(after.left - before.right, before.left - after.right)
    return gap > 0.6 * height


def _is_turned(line: Line) -> bool:
    """Return whether the text is vertical, as a stamp in the margin."""
    return len(line.text) > 3 and not line.rows and line.height > 2 * (line.right - line.left)


def _rows_joined(runs: Sequence[list[list[Line]]], columns: Sequence[bool], starts: Sequence[float]) -> Iterator[Line]:
    """Yield the lines, rejoining those divided at a gap unless they look like columns of text.

    Between columns, a few undivided lines stay in them too.
    """
    for run, parted in zip(runs, columns, strict=True):
        if len(run) == 1 or parted:
            for row in run:
                yield from row
            continue
        are_rows = _are_rows([row for row in run if row])
        for row in run:
            parts = _in_columns(row, starts)
            for line in parts or _rejoined(row):
                line.row = are_rows
                yield line


def _starts(runs: Sequence[Sequence[Sequence[Line]]]) -> list[float]:
    """Return the left edges of the columns of these lines: few lines cross the gaps between them."""
    lines = [line for run in runs for row in run for line in row]
    lefts = sorted(line.left for line in lines)
    starts: list[float] = []
    for left in lefts:
        near = bisect_right(lefts, left + _ALIGNED) - bisect_left(lefts, left)
        if near * 12 < len(lefts) or (starts and left < starts[-1] + _ALIGNED):
            continue
        over = sum(line.left < left - _ALIGNED < line.right - 1 for line in lines)
        if over * 12 < len(lines):
            starts.append(left)
    return starts


def _in_columns(row: Sequence[Line], starts: Sequence[float]) -> list[Line]:
    """Return the parts of a row, one per column; [] if the columns do not divide it."""
    found: list[list[Line]] = []
    last = -1
    for line in row:
        here = bisect_right(starts, line.left + _ALIGNED) - 1
        if here < 0 or (here + 1 < len(starts) and line.right > starts[here + 1]):
            return []
        if here != last:
            found.append([])
        found[-1].append(line)
        last = here
    if len(found) < 2:
        return []
    whole = [line for parts in found for line in _rejoined(parts)]
    for line in whole[:-1]:
        line.joined = True  # rejoined if the order is kept
    return whole


def _runs(lines: Sequence[Line]) -> Iterator[list[list[Line]]]:
    """Yield runs of consecutive divided rows; undivided lines by themselves."""
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
    """Return a run of few rows in a form that is never taken for columns."""
    return run if len(run) > 1 else [*run, []]


def _are_columns(rows: Sequence[Sequence[Line]], width: float) -> bool:
    """Return whether the parts of these rows fill their columns like running text, unlike terms and definitions."""
    parts = [line for row in rows for line in row]
    if len([row for row in rows if row]) < _FEW_ROWS or not all(line.placed for line in parts):
        return False
    columns: dict[int, list[Line]] = defaultdict(list)
    for row in rows:
        for line in row:
            columns[round(line.left / (0.04 * width))].append(line)
    full = [found for found in columns.values() if len(found) >= _FEW_ROWS]
    unlike = sum(len(found) for found in full if _are_labels(found) or not _fills(found, width))
    if len(full) < 2 or unlike * 8 > sum(map(len, full)):
        return False
    figures = sum(kind_of(line.text) in TYPED for line in parts)
    return figures * 10 < 3 * len(parts)


def _are_rows(rows: Sequence[Sequence[Line]]) -> bool:
    """Return whether the parts of consecutive lines are aligned left or right, like columns of a table."""
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
    """Return whether a column repeats a few words, or has one word per line, like names and options."""
    single = sum(" " not in line.text and not _UNPARTED.search(line.text) for line in lines)
    return len({line.text for line in lines}) * 2 <= len(lines) or single * 2 > len(lines)


def _fills(lines: Sequence[Line], page: float) -> bool:
    """Return whether most lines are nearly as wide as the widest, or little shorter and continue the one before."""
    widths = sorted(line.right - line.left for line in lines)
    full = widths[int(0.9 * len(widths))]  # not the widest, which may be a title over all columns
    if full <= _NARROW * page:
        return False
    going_on = sum(line.text[:1].islower() and line.text.count(" ") > 1 for line in lines)
    share = 0.5 if going_on * 4 > len(lines) else 0.75
    return sum(width > share * full for width in widths) * 2 > len(widths)


def _rejoined(lines: Sequence[Line]) -> list[Line]:
    """Rejoin divided lines: rows of a table, not columns."""
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


def _grouped(lines: Sequence[Line], starts: Sequence[float]) -> list[Line] | None:
    """Return the lines in the order of pdfminer's boxes; None if there are too many boxes.

    Args:
        starts: left edges of columns. A box over several columns is read column by column.
    """
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
        ordered += _by_columns(
            [known[id(item)] for item in sorted(found, key=lambda item: (-round(item.y1, 1), item.x0))], starts
        )
    return ordered if len(ordered) == len(lines) else None


def _changes(lines: Sequence[Line], starts: Sequence[float]) -> int:
    """Return how often the next line is in another column."""
    columns = [bisect_right(starts, line.left + _ALIGNED) for line in lines]
    return sum(before != after for before, after in pairwise(columns))


def _by_columns(lines: Sequence[Line], starts: Sequence[float]) -> list[Line]:
    """Return the lines column by column; a line over several columns separates those above and below it."""
    ordered: list[Line] = []
    columns: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        here = bisect_right(starts, line.left + _ALIGNED)
        if here < len(starts) and line.right > starts[here]:
            ordered += [other for column in sorted(columns) for other in columns[column]]
            columns.clear()
            ordered.append(line)
        else:
            columns[here].append(line)
    return ordered + [line for column in sorted(columns) for line in columns[column]]
