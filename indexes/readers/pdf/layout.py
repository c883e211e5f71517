"""Lines of a PDF page with their positions, with raised and lowered text marked.

pdfium returns text in the order in which the file draws it, nearly always the reading order. It joins text side by side
into one line and breaks a line at raised text; both are corrected by the positions of the pieces. ``order`` arranges
columns. Positions cost a call or two per line; those of words are requested only for lines with a wide gap, those of
characters only for lines with raised or lowered text.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pypdfium2 import raw

from indexes.readers.inline import lowered, raised
from indexes.readers.pdf.strings import HALVES
from indexes.readers.tables.cells import Row

Box = tuple[float, float, float, float]  # left, bottom, right, top in points from the lower left
_WORD = re.compile(r"\S+")
_LINE = re.compile(r"[^\r\n]+|\r\n|\r|\n")
_WIDE = 1.2  # of the line's height: a gap wider than a blank
_GUTTER = 0.5  # of the line's height: a gap where a column is known to begin
_CUT_PAIR = re.compile("[\ud800-\udbff]\\Z")  # the first half of a character that pdfium cuts at a page's end
_SCRIPT = 0.86  # share of the line's height below which text may be raised or lowered
_MOST_BASES = 12  # base lines of one line of text, with its formulas
_MOST_BOXES = 80  # boxes of a line; a line with more is a drawing
_SMALLER = 0.92  # of the size of the other characters
_OFF = 0.09  # of the line's height: distance from the base line


@dataclass(slots=True)
class Line:
    """A line with its position on the page in points from the lower left, if pdfium reports it.

    >>> line = Line("It rains.", left=50, bottom=700, right=200, top=712)
    >>> line.height, line.placed, Line("It rains.").placed
    (12, True, False)
    """

    text: str
    left: float = 0.0
    bottom: float = 0.0
    right: float = 0.0
    top: float = 0.0
    joined: bool = False  # the next line is to its right, after a gap
    row: bool = False  # a row of a table without rules: it does not continue on the next line
    rows: list[Row] = field(default_factory=list)  # rows of a ruled table, which replaces the line

    @property
    def placed(self) -> bool:
        return self.top > self.bottom

    @property
    def height(self) -> float:
        return self.top - self.bottom


@dataclass(slots=True)
class _Piece:
    """A line as pdfium returns it."""

    text: str  # without surrounding blanks
    start: int
    boxes: list[Box]
    spaced: bool  # preceded by a blank
    low: float = 0.0  # lowest edge of its boxes
    high: float = 0.0
    tallest: float = 0.0
    shortest: float = 0.0

    def __post_init__(self) -> None:
        if len(self.boxes) == 1:
            ((_, self.low, _, self.high),) = self.boxes
            self.tallest = self.shortest = self.high - self.low
        elif self.boxes:
            self.low, self.high = min(box[1] for box in self.boxes), max(box[3] for box in self.boxes)
            heights = [box[3] - box[1] for box in self.boxes]
            self.tallest, self.shortest = max(heights), min(heights)


def page_lines(textpage: Any, starts: Sequence[float] = ()) -> list[Line]:
    """Return the lines of a page in pdfium's order; parts of a line divided at a wide gap are ``joined``.

    Args:
        textpage: pypdfium2's PdfTextPage.
        starts: left edges of columns, at which a narrower gap divides a line too.
    """
    text = _CUT_PAIR.sub("", textpage.get_text_range(errors=HALVES))
    if len(text) != textpage.count_chars():  # characters outside the basic plane: indexes do not match
        return [Line(" ".join(line.split())) for line in re.split(r"\r\n|\r|\n", text.replace("\0", ""))]
    lines: list[Line] = []
    waiting: list[_Piece] = []
    ended = True

    def flush() -> None:
        if waiting:
            lines.extend(_parts(textpage, waiting, starts))
            waiting.clear()

    for match in _LINE.finditer(text):
        words = match.group()
        if words[0] in "\r\n":
            if ended:
                flush()
                lines.append(Line(""))
            ended = True
            continue
        bare = words.strip()
        if not bare:
            continue
        start = match.start() + words.index(bare[0])
        piece = _Piece(bare, start, _boxes(textpage, start, len(bare)), words[0].isspace())
        if waiting and not _goes_on(waiting[-1], piece):
            flush()
        waiting.append(piece)
        ended = False
    flush()
    return lines


def _goes_on(before: _Piece, after: _Piece) -> bool:
    """Return whether pdfium's next line directly continues the same line, as after raised text."""
    if not before.boxes or not after.boxes:
        return False
    last, first = before.boxes[-1], after.boxes[0]
    height = max(before.tallest, after.tallest)
    if not -0.3 * height < first[0] - last[2] < 0.5 * height:
        return False
    if min(last[3] - last[1], first[3] - first[1]) > _SCRIPT * height:
        return False  # neither is raised or lowered: two adjacent lines
    return min(before.high, after.high) - max(before.low, after.low) > 0.3 * height


def _parts(textpage: Any, pieces: Sequence[_Piece], starts: Sequence[float]) -> list[Line]:
    """Divide a line at its wide gaps."""
    stretches: list[list[_Piece]] = []
    for piece in pieces:
        apart = len(piece.boxes) > 1 and (bool(starts) or _is_apart(piece))
        cut = _cut_at_gaps(textpage, piece, starts) if apart else [piece]
        if stretches:
            stretches[-1].append(cut[0])
            cut = cut[1:]
        stretches += [[part] for part in cut]
    lines = [_whole(textpage, stretch) for stretch in stretches]
    for line in lines[:-1]:
        line.joined = True
    return lines


def _whole(textpage: Any, pieces: Sequence[_Piece]) -> Line:
    """Join the pieces of one line, with raised and lowered text marked."""
    text = pieces[0].text if len(pieces) == 1 else " ".join(piece.text for piece in pieces)
    boxes = pieces[0].boxes if len(pieces) == 1 else [box for piece in pieces for box in piece.boxes]
    if len(boxes) > 1:
        height = max(piece.tallest for piece in pieces if piece.boxes)
        if min(piece.shortest for piece in pieces if piece.boxes) < _SCRIPT * height:
            return _line(_with_scripts(textpage, pieces, height) or text, boxes)
    return _line(text, boxes)


def _is_apart(piece: _Piece) -> bool:
    """Return whether it has a wide gap or continues far to the left, as joined lines of several columns do."""
    wide = _WIDE * piece.tallest
    left = right = piece.boxes[0][0]
    for box in piece.boxes:
        if left - box[2] > wide:
            return True
        left = min(left, box[0])
    for box in sorted(piece.boxes):
        if box[0] - right > wide:
            return True
        right = max(right, box[2])
    return False


def _with_scripts(textpage: Any, pieces: Sequence[_Piece], height: float) -> str | None:
    """Return the words of a line with raised and lowered text marked; None without such text, or with a wide gap."""
    boxes = [box for piece in pieces for box in piece.boxes]
    ordered = sorted(boxes)
    if any(after[0] - before[2] > _WIDE * height for before, after in pairwise(ordered)):
        return None
    kinds = _scripts(textpage, pieces, height) if len(boxes) <= _MOST_BOXES else {}
    if not kinds:
        return None
    out = ""
    right = None
    for piece in pieces:
        if out and (piece.spaced or (right is not None and piece.boxes and piece.boxes[0][0] - right > 0.25 * height)):
            out = out.rstrip() + " "
        right = piece.boxes[-1][2] if piece.boxes else None
        run, kind = "", None
        for offset, char in enumerate(piece.text):
            now = kinds.get(piece.start + offset) if not char.isspace() else kind
            if now != kind:
                out, run, kind = _closed(out, run, kind), "", now
            run += char
        out = _closed(out, run, kind)
    return out.replace(" ,", ",").replace(" .", ".") if len(pieces) > 1 else out


def _closed(out: str, run: str, kind: bool | None) -> str:
    """Append a finished run to ``out``: raised (True), lowered (False) or plain (None)."""
    if kind is None or not any(char.isalnum() or char in "*†‡°" for char in run):
        return out + run
    marked = (raised if kind else lowered)(out, run.strip())
    after = " " if run[-1].isspace() else ""
    if marked.startswith("[") and marked.endswith("]"):  # the number of a note: separated, and before the full stop
        stop = out[-1:] if out[-1:] in (".", "。") else ""
        out = out.removesuffix(stop) if stop else out
        return f"{out}{marked}{stop}{after}"
    return out + marked + after


def _scripts(textpage: Any, pieces: Sequence[_Piece], height: float) -> dict[int, bool]:
    """Return the small characters above (True) or below (False) the base line of those before them."""
    runs = list(_runs(textpage, pieces))
    lengths: Counter[float] = Counter()
    for run in runs:
        lengths[run.base] += run.length
    if not 1 < len(lengths) <= _MOST_BASES:  # vertical text has one per word
        return {}
    line = lengths.most_common(1)[0][0]
    off = [run for run in runs if abs(run.base - line) > _OFF * height]
    if not off or sum(run.length for run in off) * 2 > lengths.total():
        return {}
    size = _SMALLER * _size_of(textpage, next(run.start for run in runs if run.base == line))
    small = {  # a full-size letter off the base line is part of a logo: LaTeX
        run.start for run in off if run.height <= _SCRIPT * height and _size_of(textpage, run.start) < size
    }
    # pdfium joins lines at a hyphenated word: each has its own base line
    bases = {run.base for run in runs if run.start not in small and lengths[run.base] * 4 > lengths.total()}
    base = next((run.base for run in runs if run.base in bases), line)
    kinds: dict[int, bool] = {}
    for run in runs:
        if run.start not in small:
            base = run.base if run.base in bases else base
        elif abs(run.base - base) > _OFF * height:
            kinds.update(dict.fromkeys(range(run.start, run.end), run.base > base))
    return kinds


@dataclass(slots=True)
class _CharRun:
    """The characters in one of pdfium's boxes: of one text object, and so with one base line and size."""

    start: int
    end: int
    length: int  # without blanks
    base: float
    height: float


def _runs(textpage: Any, pieces: Sequence[_Piece]) -> Iterator[_CharRun]:
    """Yield the runs of a line. Requesting the base line of each character takes ten times as long."""
    page, origin = textpage.raw, raw.FPDFText_GetCharOrigin
    x, y = ctypes.c_double(), ctypes.c_double()
    for piece in pieces:
        starts = _starts(page, piece)
        for box, (start, end) in zip(piece.boxes, pairwise([*starts, len(piece.text)]), strict=True):
            if origin(page, piece.start + start, x, y):
                length = sum(map(len, piece.text[start:end].split()))
                yield _CharRun(piece.start + start, piece.start + end, length, round(y.value, 1), box[3] - box[1])


def _starts(page: Any, piece: _Piece) -> list[int]:
    """Return the start of each box in the piece: the first character with which pdfium counts one more box.

    The box's share of the remaining width gives a close estimate, so that few positions are checked.
    """
    count, begin, boxes = raw.FPDFText_CountRects, piece.start, piece.boxes
    starts, last = [0], len(piece.text) - 1
    width = sum(box[2] - box[0] for box in boxes)
    for box in boxes[:-1]:
        before = starts[-1]
        low, high = before + 1, last
        share = (box[2] - box[0]) / width if width > 0 else 0.0
        width -= box[2] - box[0]
        guess, step = before + round(share * (last + 1 - before)), 1
        while low < high:
            middle = guess if low <= guess < high else (low + high) // 2
            if count(page, begin + before, middle + 1 - before) < 2:
                low, guess = middle + 1, middle + step
            else:
                high, guess = middle, middle - step
            step *= 2
        starts.append(low)
    return starts


def _size_of(textpage: Any, index: int) -> float:
    """Return the font size of a character in points."""
    matrix = raw.FS_MATRIX()
    scale = math.hypot(matrix.c, matrix.d) if raw.FPDFText_GetMatrix(textpage.raw, index, matrix) else 1.0
    return float(raw.FPDFText_GetFontSize(textpage.raw, index)) * (scale or 1.0)


def _cut_at_gaps(textpage: Any, piece: _Piece, starts: Sequence[float]) -> list[_Piece]:
    text, start, wide, gutter = piece.text, piece.start, _WIDE * piece.tallest, _GUTTER * piece.tallest
    cuts = [0]
    left, before = -math.inf, math.inf  # left edge of the part, right edge of the last word
    for word in _WORD.finditer(text):
        box = _boxes(textpage, start + word.start(), word.end() - word.start())
        if not box:
            continue
        gap = box[0][0] - before
        if gap > wide or left - box[-1][2] > wide or (gap > gutter and any(abs(box[0][0] - x) < 3 for x in starts)):
            cuts.append(word.start())
            before = math.inf
        begins = min(item[0] for item in box)
        left, before = begins if before == math.inf else min(left, begins), max(item[2] for item in box)
    stretches = []
    for begin, end in pairwise([*cuts, len(text)]):
        words = text[begin:end].rstrip()
        boxes = _boxes(textpage, start + begin, len(words))
        stretches.append(_Piece(words, start + begin, boxes, begin > 0 or piece.spaced))
    return stretches


def _line(text: str, boxes: Sequence[Box]) -> Line:
    words = " ".join(text.replace("\0", "").split())
    if not boxes:
        return Line(words)
    if len(boxes) == 1:
        return Line(words, *boxes[0])
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return Line(words, min(lefts), min(bottoms), max(rights), max(tops))


def _boxes(textpage: Any, start: int, count: int) -> list[Box]:
    """Return the boxes that pdfium makes of a range of characters."""
    page, get = textpage.raw, raw.FPDFText_GetRect
    left, top, right, bottom = (ctypes.c_double() for _ in range(4))
    return [
        (left.value, bottom.value, right.value, top.value)
        for index in range(raw.FPDFText_CountRects(page, start, count))
        if get(page, index, left, top, right, bottom)
    ]
