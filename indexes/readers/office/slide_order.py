"""The reading order of a slide's shapes: column after column where boxes stand in columns, else row after row.

The slide is cut where no shape stands: first from top to bottom into columns, else from left to right into bands, and
bands that part into the same columns go together (the XY-cut of page analysis).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from indexes.readers.tables.cells import Row
from indexes.readers.tables.head import form_pairs, head_rows
from indexes.readers.tables.kinds import TYPED, kind_of

_ROW = 228_600  # a quarter of an inch, in the units of the format: shapes that differ less in height stand in one row
_NEAR = 457_200  # half an inch: a lone box further below belongs to no column above
_OVERLAP = 0.2  # of the smaller shape: boxes are often drawn larger than their words
_MOST = 200  # shapes; more are a drawing, read from top to bottom


def in_order(shapes: Iterable[Any]) -> Iterator[Any]:
    """The shapes that hold words, in reading order; groups are opened where they stand."""
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
    """Do the shapes of a band continue the columns above it?"""
    if len(_parted([*taken, *band], _across)) < 2:
        return False
    gap = min(_down(shape)[0] for shape in band) - max(_down(shape)[1] for shape in taken)
    return (len(taken) > 1 and len(band) > 1) or gap < _NEAR


def _parted(shapes: Sequence[Any], side: Any) -> list[list[Any]]:
    """The shapes in groups between which a straight cut goes through none of them."""
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
    """Do the boxes make a form (Voltage, 230 V) or a table with a head, so that its rows belong together?"""
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
