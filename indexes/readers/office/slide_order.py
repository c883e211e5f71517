"""The reading order of a slide's shapes: column by column if boxes form columns, else row by row.

The slide is cut through empty space: first vertically into columns, else horizontally into bands; bands with the same
columns are joined (the XY-cut of page analysis).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from indexes.readers.tables.cells import Row
from indexes.readers.tables.head import form_pairs, head_rows
from indexes.readers.tables.kinds import TYPED, kind_of

_ROW = 228_600  # a quarter of an inch in EMU: shapes whose heights differ less are in one row
_NEAR = 457_200  # half an inch: a single box further below is not part of a column above
_OVERLAP = 0.2  # allowed share of the smaller shape: boxes are often larger than their words
_MOST = 200  # shapes; more are a drawing, which is read from top to bottom


def in_order(shapes: Iterable[Any]) -> Iterator[Any]:
    """Yield the shapes with words in reading order; the shapes of a group take its place.

    >>> from types import SimpleNamespace
    >>> inch = 914_400
    >>> def box(name, left, top):
    ...     frame = SimpleNamespace(text=name)
    ...     place = dict(left=left * inch, top=top * inch, width=3 * inch, height=inch // 2)
    ...     return SimpleNamespace(text_frame=frame, has_text_frame=True, **place)
    >>> shapes = [box("b1", 5, 1), box("a2", 1, 3), box("a1", 1, 1), box("b2", 5, 2), box("b3", 5, 3)]
    >>> [shape.text_frame.text for shape in in_order(shapes)]
    ['a1', 'a2', 'b1', 'b2', 'b3']
    """
    worded = [shape for shape in shapes if _has_words(shape)]
    for shape in _ordered(worded) if len(worded) <= _MOST else _by_height(worded):
        if hasattr(shape, "shapes"):
            yield from in_order(shape.shapes)
        else:
            yield shape


def _has_words(shape: Any) -> bool:
    if hasattr(shape, "shapes"):
        return any(map(_has_words, shape.shapes))
    return not shape.has_text_frame or bool(shape.text_frame.text.strip())


def _ordered(shapes: Sequence[Any]) -> list[Any]:
    if len(shapes) < 2:
        return list(shapes)
    columns = _parted(shapes, _across)
    if len(columns) > 1:
        if _is_table(columns):
            return _by_height(shapes)
        return [shape for column in columns for shape in _ordered(column)]
    bands = _parted(shapes, _down)
    if len(bands) == 1:
        return _by_height(shapes)
    ordered: list[Any] = []
    while bands:
        taken = bands.pop(0)
        while bands and _goes_below(taken, bands[0]):
            taken += bands.pop(0)
        ordered += _ordered(taken)
    return ordered


def _goes_below(taken: list[Any], band: list[Any]) -> bool:
    """Return whether the shapes of a band continue the columns above it."""
    if len(_parted([*taken, *band], _across)) < 2:
        return False
    gap = min(_down(shape)[0] for shape in band) - max(_down(shape)[1] for shape in taken)
    return (len(taken) > 1 and len(band) > 1) or gap < _NEAR


def _parted(shapes: Sequence[Any], side: Any) -> list[list[Any]]:
    """Divide the shapes into groups that a straight line can separate."""
    groups: list[list[Any]] = []
    end = 0.0
    for shape in sorted(shapes, key=side):
        begin, finish = side(shape)
        slack = _OVERLAP * (finish - begin)
        if groups and begin + slack < end:
            groups[-1].append(shape)
            end = max(end, finish)
        else:
            groups.append([shape])
            end = finish
    return groups


def _across(shape: Any) -> tuple[int, int]:
    left = shape.left or 0
    return left, left + (shape.width or 0)


def _down(shape: Any) -> tuple[int, int]:
    top = shape.top or 0
    return top, top + (shape.height or 0)


def _by_height(shapes: Sequence[Any]) -> list[Any]:
    return sorted(shapes, key=lambda shape: ((shape.top or 0) // _ROW, shape.left or 0))


def _is_table(columns: Sequence[Sequence[Any]]) -> bool:
    """Return whether the boxes form a form (Voltage, 230 V) or a table with a head, to be read row by row."""
    if any(not getattr(shape, "has_text_frame", False) for column in columns for shape in column):
        return False
    sides = [sorted(column, key=_down) for column in columns]
    if len(sides[0]) < 2 or any(len(column) != len(sides[0]) for column in sides):
        return False
    rows = []
    for level in zip(*sides, strict=True):
        tops = [_down(shape)[0] for shape in level]
        if max(tops) - min(tops) > _ROW:
            return False
        rows.append(Row(0, [" ".join(shape.text_frame.text.split()) for shape in level]))
    if form_pairs(rows) is not None:
        return True
    return head_rows(rows) > 0 and not any(kind_of(row.cells[0]) in TYPED for row in rows[1:])
