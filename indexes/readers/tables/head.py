"""Detect the head of a table and its number of rows, and forms of names and values.

Marks in the file count first (``th``, header rows, bold), then the kinds of the cells: numbers below a word indicate a
head; a number in the first row indicates that there is none, unless numbers form a sequence there, as years do. In
doubt there is none: a false head makes every row a false statement.
"""

from __future__ import annotations

from collections.abc import Sequence

from indexes.readers.tables.cells import Row
from indexes.readers.tables.kinds import (
    DATE,
    EMPTY,
    LONG,
    MEASURE,
    TYPED,
    WORD,
    in_sequence,
    is_label,
    kind_of,
    unit_of,
)
from indexes.readers.tables.labels import VALUE_NAMES

_MOST_HEADS = 4
_LABEL = 40  # longest name in a form, in characters


def head_rows(rows: Sequence[Row], *, usual: bool = False) -> int:
    """Return the number of rows of the head; 0 if there is none, or in doubt.

    >>> head_rows([Row(1, ["name", "price"]), Row(2, ["tea", "3"]), Row(3, ["coffee", "4"])], usual=True)
    1

    Args:
        rows: first rows of the table, enough to see its columns.
        usual: files of this kind usually have a head (sheets, csv), so that words alone are enough.
    """
    declared = 0
    while declared < min(len(rows), _MOST_HEADS) and rows[declared].head:
        if declared and _is_line(rows[declared], len(rows[0].cells)):
            return declared  # the title of a group of rows
        declared += 1
    if declared:
        return min(_depth(rows, declared, usual), len(rows))
    if not rows or (sum(row.side for row in rows) * 2 > len(rows) > 1 and rows[0].side):
        return 0
    depth = _depth(rows, 1, usual)
    body = rows[depth:]
    names = head_names(rows[:depth])
    if not body:
        return depth if usual and all(kind_of(name) == WORD for name in names if name) and any(names) else 0
    bold = all(row.bold for row in rows[:depth]) and not all(row.bold for row in body)
    if _cannot_be(names, rows[:depth], body, bold):
        return 0
    typed = sum(_told_by_type(name, column, body) for column, name in enumerate(names))
    worded = [name for name in names if name]
    if bold or (typed and usual):
        return depth
    if len(set(worded)) < len(worded) and not typed:
        return 0
    if usual:
        return depth
    return depth if typed and _is_certain(names, body, typed) else 0


def _is_line(row: Row, width: int) -> bool:
    """Return whether one cell fills the row, over all columns."""
    return width > 2 and len(row.across) >= width - 1 and not row.down


def head_names(rows: Sequence[Row]) -> list[str]:
    """Return the name of each column: the words of all head rows in it, each once.

    >>> head_names([Row(1, ["", "2023", "2023"]), Row(2, ["name", "H1", "H2"])])
    ['name', '2023 H1', '2023 H2']
    """
    width = max((len(row.cells) for row in rows), default=0)
    names = []
    for column in range(width):
        parts: list[str] = []
        for row in rows:
            words = _head_cell(row, column)
            if words and words not in parts:
                parts.append(words)
        names.append(" ".join(parts))
    return names


def _head_cell(row: Row, column: int) -> str:
    """Return the words over a column; a merged cell is over each of its columns, also from the first one on."""
    while column in row.across and column and not (column < len(row.cells) and row.cells[column]):
        column -= 1
    return row.cells[column] if column < len(row.cells) else ""


def form_pairs(rows: Sequence[Row], *, usual: bool = False) -> list[tuple[str, str]] | None:
    """Return (name, value) pairs of a table that is a form (name, value, name, value, ...); None for other tables.

    >>> form_pairs([Row(1, ["Name", "Ada"]), Row(2, ["Phone", "020 7946 0000"])])
    [('Name', 'Ada'), ('Phone', '020 7946 0000')]
    """
    if not rows or any(row.head for row in rows):
        return None
    lines = [row.own() for row in rows]
    lines = [line for line in lines if line]
    even = [line for line in lines if len(line) % 2 == 0]
    if not even or any(len(line) % 2 for line in lines) or max(map(len, even)) > 8:
        return None
    labels = [line[at] for line in even for at in range(0, len(line), 2)]
    values = [line[at] for line in even for at in range(1, len(line), 2)]
    if any(not label or len(label) > _LABEL or kind_of(label) != WORD for label in labels):
        return None
    if _is_form(rows, even, labels, values, usual):
        return [(label.rstrip(":： "), value) for label, value in zip(labels, values, strict=True)]
    return None


def form_below_head(rows: Sequence[Row]) -> list[tuple[str, str]] | None:
    """Return the pairs of a form in a format that requires a head: its first row must look like the others.

    It does if it has a measure or number, or if it and the rows below have names typical of forms.

    >>> form_below_head([Row(1, ["Weight", "3 kg"]), Row(2, ["Colour", "red"])])
    [('Weight', '3 kg'), ('Colour', 'red')]
    >>> form_below_head([Row(1, ["Item", "Colour"]), Row(2, ["plum", "red"])]) is None
    True
    """
    pairs = form_pairs(rows)
    if pairs is None or not rows:
        return pairs
    first = rows[0].own()
    labels, values = first[::2], first[1::2]
    if not values:
        return pairs
    typed = [value for value in values if kind_of(value) in TYPED]
    if typed:
        return pairs
    below = [row.own()[:1] for row in rows[1:]]
    known = sum(bool(cells) and is_label(cells[0]) for cells in below)
    if any(value.casefold() in VALUE_NAMES for value in values) or not all(map(is_label, labels)):
        return None
    return pairs if known * 2 > len(below) else None


def _is_form(
    rows: Sequence[Row], lines: Sequence[Sequence[str]], labels: Sequence[str], values: Sequence[str], usual: bool
) -> bool:
    known = sum(map(is_label, labels))
    # Two rows of words in a csv file: a head, if the first cell is a name of forms and the one below is not.
    headed = usual and len(lines) == 2 == len(labels) and is_label(labels[0])
    if known >= 2 or (known and len(labels) <= 2 and not headed):
        return not any(map(is_label, values))
    if len(set(labels)) < len(labels):
        return False
    if any(row.bold for row in rows[:1]):
        return False
    if rows[0].side:
        return True
    if max(map(len, lines)) < 4:
        return False  # two columns of names and values read the same without a head
    first = [kind_of(cell) for cell in lines[0][1::2]]
    if any(kind in TYPED for kind in first) and not in_sequence([cell for cell in lines[0] if kind_of(cell) in TYPED]):
        return True
    return not usual and any(_is_mixed([line[at] for line in lines if at < len(line)]) for at in (1, 3))


def _is_mixed(cells: Sequence[str]) -> bool:
    """Return whether the cells are too mixed for a column: words and numbers, or measures of several units."""
    kinds = {kind_of(cell) for cell in cells[1:]} - {EMPTY}
    if kinds & TYPED and kinds & {WORD, LONG}:
        return True
    return kinds == {MEASURE} and len({unit_of(cell) for cell in cells if kind_of(cell) == MEASURE}) > 1


def _depth(rows: Sequence[Row], known: int, usual: bool) -> int:
    """Return the rows of the head given its first ``known``: more if a cell of the head spans columns or rows."""
    depth = known
    while depth < min(len(rows) - 1, _MOST_HEADS):
        above, row = rows[depth - 1], rows[depth]
        if not (_opens(above, row) or (usual and _opens_unmerged(above, row, rows[depth + 1 :]))):
            break
        depth += 1
    return depth


def _opens(above: Row, row: Row) -> bool:
    """Return whether the head continues in the next row: a cell over several columns with words or years below."""
    spans = above.across or (row.down and len(row.down) < len(row.cells))
    if not spans or len(above.across) + 1 >= len(above.cells) or not above.filled:
        return False
    if above.across and 0 in {column - 1 for column in above.across} and not above.cells[1:2]:
        return False
    begun = (cell for at, cell in enumerate(row.cells) if at not in row.down and at not in row.across)
    below = [cell for cell in begun if cell]
    if not below or any(kind_of(cell) in (LONG, EMPTY) for cell in below):
        return False
    typed = [cell for cell in below if kind_of(cell) in TYPED]
    if typed and not (all(kind_of(cell) == DATE for cell in typed) and len(typed) == len(below)):
        return False
    # The words are under the merged cells; a row with words in its first cell is data.
    return 0 in row.down or not row.cells[0] or 0 in above.across or 1 in above.across or not above.cells[0]


def _opens_unmerged(above: Row, row: Row, body: Sequence[Row]) -> bool:
    """Return the same for tables without merged cells, such as csv: gaps in the first row over recurring words."""
    if above.across or row.down or not body or not row.cells or row.cells[0] or not above.cells or not above.cells[0]:
        return False
    under = [cell for cell in row.cells[1:] if cell]
    gaps = [column for column in range(1, len(row.cells)) if column >= len(above.cells) or not above.cells[column]]
    if not gaps or any(kind_of(cell) != WORD for cell in under) or len(set(under)) == len(under):
        return False
    last = ""
    for column in range(len(row.cells)):  # gaps belong to the name to their left
        if column < len(above.cells):
            last = above.cells[column] or last
            above.cells[column] = last
        else:
            above.cells.append(last)
    return True


def _cannot_be(names: Sequence[str], head: Sequence[Row], body: Sequence[Row], bold: bool) -> bool:
    worded = [name for name in names if name]
    kinds = [kind_of(name) for name in worded]
    if not worded or LONG in kinds or any(name.endswith(("。", "！", "；")) for name in worded):
        return True
    if len(worded) * 2 < max(row.filled for row in body):
        return True
    typed = [name for name, kind in zip(worded, kinds, strict=True) if kind in TYPED]
    if typed:
        row = [_head_cell(head[-1], column) for column in range(len(names))]
        figures = [cell for cell in row if kind_of(cell) in TYPED]
        leads = kind_of(names[0]) not in TYPED
        if not in_sequence(figures) or not (leads or bold) or not _goes_other_ways(names, body):
            return True
    if bold:
        return False
    for column, name in enumerate(names):
        if name and kind_of(name) == WORD and any(row.cells[column : column + 1] == [name] for row in body):
            return not any(row.cells == head[-1].cells for row in body)  # a repeated head, as on each page
    return False


def _goes_other_ways(names: Sequence[str], body: Sequence[Row]) -> bool:
    """Return whether the cells below the sequence are of another kind, such as amounts below years."""
    columns = [column for column, name in enumerate(names) if kind_of(name) in TYPED]
    for row in body:
        cells = [row.cells[column] for column in columns if column < len(row.cells) and row.cells[column]]
        if len(cells) > 1 and in_sequence(cells) and kind_of(cells[0]) == kind_of(names[columns[0]]) == DATE:
            return False
    return True


def _told_by_type(name: str, column: int, body: Sequence[Row]) -> bool:
    """Return whether only numbers, measures or dates are below a word (or a year)."""
    cells = [row.cells[column] for row in body if column < len(row.cells) and column not in row.across]
    kinds = {kind_of(cell) for cell in cells} - {EMPTY}
    if not kinds or not kinds <= TYPED or not name:
        return False
    return kind_of(name) == WORD or (kind_of(name) in TYPED and kinds != {DATE})


def _is_certain(names: Sequence[str], body: Sequence[Row], typed: int) -> bool:
    """Return whether the kinds prove a head: not in tables that could be pairs of names and values."""
    if len(names) not in (2, 4):
        return True
    if any(_told_by_type(names[column], column, body) for column in range(0, len(names), 2)):
        return True  # numbers in place of a form's names
    labels = [row.cells[column] for row in body for column in range(0, len(names), 2) if column < len(row.cells)]
    if len(set(labels)) < len(labels):
        return True
    return len(names) == 2 and len(body) >= 6
