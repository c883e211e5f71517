"""Lines of a PDF page in reading order.

pdfium gives the text in the order in which the file draws it, which is nearly always the reading order, and joins what
stands side by side into one line. Both are mended from where the lines stand: a line is parted at a wide gap if the
page has a gutter there, and a page whose order jumps back up more often than its columns explain is read column by
column. Positions cost a call or two a line, those of words are asked for only in lines with a wide gap.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

_BINS = 200  # the page's width in steps, to look for gutters
_WORD = re.compile(r"\S+")
_LINE = re.compile(r"[^\r\n]+|\r\n|\r|\n")


@dataclass(slots=True)
class Line:
    """One line with its place on the page in points from the lower left; without one where pdfium does not tell."""

    text: str
    left: float = 0.0
    bottom: float = 0.0
    right: float = 0.0
    top: float = 0.0
    joined: bool = False  # the next line stands to the right of it, with nothing but a gap between

    @property
    def placed(self) -> bool:
        return self.top > self.bottom


def page_lines(textpage: Any, width: float) -> list[Line]:
    """The lines of a page in reading order; empty ones are blank lines.

    Args:
        textpage: pypdfium2's PdfTextPage.
        width: of the page, in points.
    """
    text = textpage.get_text_range()
    if len(text) != textpage.count_chars():  # characters outside the basic plane: places cannot be told by index
        return [Line(" ".join(line.split())) for line in re.split(r"\r\n|\r|\n", text.replace("\0", ""))]
    lines: list[Line] = []
    ended = True
    for match in _LINE.finditer(text):
        if match.group()[0] in "\r\n":
            if ended:
                lines.append(Line(""))
            ended = True
        else:
            lines += _parts(textpage, match.group(), match.start())
            ended = False
    return _in_order(lines, width)


def _parts(textpage: Any, text: str, start: int) -> list[Line]:
    """A line, parted at its wide gaps."""
    bare = text.strip()
    if not bare:
        return []
    start += text.index(bare[0])
    boxes = _boxes(textpage, start, len(bare))
    if not boxes:
        return [_line(bare, [])]
    boxes.sort()
    wide = 1.2 * max(box[3] - box[1] for box in boxes)
    right = boxes[0][2]
    gaps = []
    for box in boxes[1:]:
        if box[0] - right > wide:
            gaps.append(right)
        right = max(right, box[2])
    if not gaps:
        return [_line(bare, boxes)]
    return _cut_at_gaps(textpage, bare, start, wide)


def _cut_at_gaps(textpage: Any, text: str, start: int, wide: float) -> list[Line]:
    parts: list[Line] = []
    begin, before, boxes = 0, None, []
    for word in _WORD.finditer(text):
        box = _boxes(textpage, start + word.start(), word.end() - word.start())
        if not box:
            continue
        if before is not None and box[0][0] - before > wide:
            part = _line(text[begin : word.start()], boxes)
            part.joined = True
            parts.append(part)
            begin, boxes = word.start(), []
        boxes += box
        before = max(item[2] for item in box)
    parts.append(_line(text[begin:], boxes))
    return parts


def _line(text: str, boxes: Sequence[tuple[float, float, float, float]]) -> Line:
    words = " ".join(text.replace("\0", "").split())
    if not boxes:
        return Line(words)
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return Line(words, min(lefts), min(bottoms), max(rights), max(tops))


def _boxes(textpage: Any, start: int, count: int) -> list[tuple[float, float, float, float]]:
    """(left, bottom, right, top) of the stretches that pdfium makes of a range of characters."""
    from pypdfium2 import raw

    left, top, right, bottom = (ctypes.c_double() for _ in range(4))
    found = []
    for index in range(raw.FPDFText_CountRects(textpage.raw, start, count)):
        if raw.FPDFText_GetRect(
            textpage.raw, index, ctypes.byref(left), ctypes.byref(top), ctypes.byref(right), ctypes.byref(bottom)
        ):
            found.append((left.value, bottom.value, right.value, top.value))
    return found


def _in_order(lines: list[Line], width: float) -> list[Line]:
    placed = [line for line in lines if line.text and line.placed]
    if len(placed) < 4 or len(placed) < sum(bool(line.text) for line in lines):
        return _rejoined(lines)
    if _beside_each_other(placed, width):
        return _columns(placed, 0.0, width, 0)
    whole = _rejoined(lines)
    upright = [line for line in whole if line.text and not _is_turned(line)]
    if not upright:
        return whole
    ordered = _columns(upright, 0.0, width, 0)
    before, after = _jumps(upright), _jumps(ordered)
    if before < after or (before == after and not _begins_late(upright)):
        return whole
    return ordered + [line for line in whole if line.text and _is_turned(line)]


def _begins_late(lines: Sequence[Line]) -> bool:
    """Do lines that stand above the first one, more than a running head, come in the second half?"""
    top = lines[0].top + (lines[0].top - lines[0].bottom)
    return sum(line.bottom > top for line in lines[len(lines) // 2 :]) > 3


def _is_turned(line: Line) -> bool:
    """Text that runs upwards, such as a stamp in the margin."""
    return len(line.text) > 3 and line.top - line.bottom > 2 * (line.right - line.left)


def _beside_each_other(lines: Sequence[Line], width: float) -> bool:
    """Were columns joined line by line? The gaps of many lines have the page's gutter in them."""
    gaps = [(line.right, after.left) for line, after in pairwise(lines) if line.joined]
    if len(gaps) < 4 or len(gaps) * 5 < len(lines):
        return False
    gutter = _gutter(lines, 0.0, width)
    return gutter is not None and sum(left <= gutter + 1 and gutter - 1 <= right for left, right in gaps) > 0.7 * len(
        gaps
    )


def _rejoined(lines: list[Line]) -> list[Line]:
    """Parted lines whole again: a row of a table, not two columns."""
    whole: list[Line] = []
    joins = False
    for line in lines:
        if joins:
            last = whole[-1]
            last.text = f"{last.text} {line.text}"
            last.right, last.top = max(last.right, line.right), max(last.top, line.top)
            last.bottom = min(last.bottom, line.bottom)
        else:
            whole.append(Line(line.text, line.left, line.bottom, line.right, line.top))
        joins = line.joined
    return whole


def _jumps(lines: Sequence[Line]) -> int:
    """How often the order goes back up by more than two lines."""
    if not lines:
        return 0
    height = median(line.top - line.bottom for line in lines)
    return sum(after.bottom > before.top + 2 * height for before, after in pairwise(lines))


def _by_height(lines: Sequence[Line]) -> list[Line]:
    """From top to bottom; lines of one height (within half a line) from left to right."""
    height = median(line.top - line.bottom for line in lines) if lines else 0.0
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: -line.top):
        if rows and rows[-1][0].top - line.top < height / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.left)]


def _columns(lines: list[Line], left: float, right: float, depth: int) -> list[Line]:
    """Column by column between the lines that run over the gutter."""
    gutter = _gutter(lines, left, right) if depth < 4 else None
    if gutter is None:
        return _by_height(lines)
    ordered: list[Line] = []
    sides: tuple[list[Line], list[Line]] = ([], [])

    def flush() -> None:
        ordered.extend(_columns(sides[0], left, gutter or right, depth + 1))
        ordered.extend(_columns(sides[1], gutter or left, right, depth + 1))
        sides[0].clear()
        sides[1].clear()

    for line in _by_height(lines):
        if line.right <= gutter + 1:
            sides[0].append(line)
        elif line.left >= gutter - 1:
            sides[1].append(line)
        else:
            flush()
            ordered.append(line)
    flush()
    return ordered


def _gutter(lines: Sequence[Line], left: float, right: float) -> float | None:
    """Where a blank strip parts most lines into two sides of running text; None without one."""
    width = right - left
    if len(lines) < 6 or width <= 0:
        return None
    steps = [0] * (_BINS + 1)
    for line in lines:
        first = int((line.left - left) / width * _BINS)
        last = int((line.right - left) / width * _BINS)
        steps[max(0, min(_BINS, first))] += 1
        steps[max(0, min(_BINS, last + 1))] -= 1
    cover, covered = 0, []
    for step in steps[:_BINS]:
        cover += step
        covered.append(cover)
    inner = range(int(0.2 * _BINS), int(0.8 * _BINS))
    lowest = min(covered[i] for i in inner)
    if lowest > 0.25 * len(lines):
        return None
    runs = [i for i in inner if covered[i] == lowest]
    middle = _longest_run(runs)
    gutter = left + (middle + 0.5) / _BINS * width
    sides = [[line for line in lines if line.right <= gutter + 1], [line for line in lines if line.left >= gutter - 1]]
    for side, begin, end in ((sides[0], left, gutter), (sides[1], gutter, right)):
        if len(side) < 3 or len(side) * 6 < len(lines):
            return None
        if median(line.right - line.left for line in side) < 0.4 * (end - begin):
            return None  # short entries: a table
    return gutter


def _longest_run(places: list[int]) -> int:
    """The middle of the longest run of following numbers."""
    best, start = (0, places[0]), 0
    for at in range(1, len(places) + 1):
        if at == len(places) or places[at] != places[at - 1] + 1:
            if at - start > best[0]:
                best = (at - start, places[(start + at - 1) // 2])
            start = at
    return best[1]
