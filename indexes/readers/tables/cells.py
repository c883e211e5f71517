"""Cells with spans, and rows in which merged cells repeat their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MAX_SPAN = 1000
MAX_COLUMNS = 512
COPY_CHARS = 300  # of a merged cell, where it is repeated
ALL_COPIES = 200_000  # characters of all repeated cells of a table
_NONE: frozenset[int] = frozenset()


@dataclass(slots=True)
class Cell:
    """One cell as the file has it.

    Args:
        across, down: columns and rows that it fills.
        head: the file calls it a head (``th``).
        bold: all of its words are bold.
    """

    text: str
    across: int = 1
    down: int = 1
    head: bool = False
    bold: bool = False


@dataclass(slots=True)
class Row:
    """Cells of one row, a column each.

    Args:
        number: of the row in its file, from 1; 0 where rows have none.
        cells: a merged cell repeats its words in each row, and in each column unless it begins in the first one,
            where it is the name of the row.
        across: columns that go on from the cell to the left.
        down: columns that go on from the cell above.
        head: the file calls the row a head.
        bold: all of its words are bold.
        side: its first cell is bold or a head, the others are not.
    """

    number: int
    cells: list[str] = field(default_factory=list)
    across: frozenset[int] = _NONE
    down: frozenset[int] = _NONE
    head: bool = False
    bold: bool = False
    side: bool = False

    @property
    def filled(self) -> int:
        """How many cells have words, merged ones counted once a row."""
        return sum(1 for column, cell in enumerate(self.cells) if cell and column not in self.across)

    def own(self) -> list[str]:
        """The cells that begin in this row, without empty ones at the end."""
        cells = [
            cell for column, cell in enumerate(self.cells) if column not in self.across and column not in self.down
        ]
        while cells and not cells[-1]:
            cells.pop()
        return cells


@dataclass(slots=True)
class Copies:
    """The words of merged cells as they are repeated: a few lines of HTML may ask for a million copies of a page."""

    chars: int = 0

    def of(self, text: str) -> str:
        if len(text) > COPY_CHARS:
            text = text[: COPY_CHARS - 1] + "…"
        self.chars += len(text)
        return text if self.chars <= ALL_COPIES else ""


def spread(rows: Iterable[tuple[int, list[Cell], bool]]) -> Iterator[Row]:
    """Rows of cells with spans as rows with a cell for each column.

    Args:
        rows: (number, cells, whether the file calls the row a head); a span that a row above has opened takes its
            columns by itself.
    """
    copies = Copies()
    below: dict[int, tuple[int, str, bool]] = {}  # column: rows still to fill, words, goes on from the left
    for number, cells, head in rows:
        words: list[str] = []
        across: set[int] = set()
        down: set[int] = set()

        def fill(words: list[str] = words, across: set[int] = across, down: set[int] = down) -> None:
            while (kept := below.get(len(words))) is not None:
                left, text, beside = kept
                column = len(words)
                down.add(column)
                if beside:
                    across.add(column)
                if left > 1:
                    below[column] = (left - 1, text, beside)
                else:
                    del below[column]
                words.append(copies.of(text))

        for cell in cells:
            fill()
            first = len(words)
            for step in range(min(cell.across, MAX_SPAN, max(MAX_COLUMNS - first, 1))):
                column = first + step
                text = cell.text if not step or first else ""
                if step:
                    across.add(column)
                if cell.down > 1:
                    below[column] = (min(cell.down, MAX_SPAN) - 1, text, step > 0)
                words.append(copies.of(text) if step else text)
        fill()
        worded = [cell for cell in cells if cell.text]
        yield Row(
            number,
            words,
            frozenset(across) if across else _NONE,
            frozenset(down) if down else _NONE,
            head=head,
            bold=bool(worded) and all(cell.bold for cell in worded),
            side=len(worded) > 1
            and worded[0] is cells[0]
            and (cells[0].head or cells[0].bold)
            and not any(cell.head or cell.bold for cell in worded[1:2]),
        )


def trimmed(cells: Iterable[object]) -> list[str]:
    """Cells as words, without the empty ones at the end, at most ``MAX_COLUMNS``."""
    words = [" ".join(str(cell).split()) if cell is not None else "" for cell in cells]
    while words and not words[-1]:
        words.pop()
    return words[:MAX_COLUMNS]
