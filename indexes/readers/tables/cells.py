"""Cells with spans, and rows in which merged cells repeat their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MAX_SPAN = 1000
MAX_COLUMNS = 512
COPY_CHARS = 300  # characters of a merged cell that are repeated
ALL_COPIES = 200_000  # characters of all repeated cells of a table
_NONE: frozenset[int] = frozenset()


@dataclass(slots=True)
class Cell:
    """A cell as in the file.

    >>> rows = spread([(1, [Cell("plum", down=2), Cell("red")], False), (2, [Cell("blue")], False)])
    >>> [row.cells for row in rows]
    [['plum', 'red'], ['plum', 'blue']]

    Args:
        text: its words.
        across, down: columns and rows that it spans.
        head: the file marks it as a head (``th``).
        bold: all its words are bold.
    """

    text: str
    across: int = 1
    down: int = 1
    head: bool = False
    bold: bool = False


@dataclass(slots=True)
class Row:
    """The cells of a row, one per column.

    >>> row = Row(2, ["plum", "plum", "3", ""], across=frozenset({1}))
    >>> row.filled, row.own()
    (2, ['plum', '3'])

    Args:
        number: number of the row in its file, from 1; 0 if rows have no number.
        cells: a merged cell repeats its words in each row, and in each column unless it begins in the first one,
            where it is the name of the row.
        across: columns that continue the cell to the left.
        down: columns that continue the cell above.
        head: the file marks the row as a head.
        bold: all its words are bold.
        side: only its first cell is bold or a head.
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
        """Number of cells with words; merged cells count once per row."""
        return sum(1 for column, cell in enumerate(self.cells) if cell and column not in self.across)

    def own(self) -> list[str]:
        """Return the cells that begin in this row, without empty ones at the end."""
        cells = [
            cell for column, cell in enumerate(self.cells) if column not in self.across and column not in self.down
        ]
        while cells and not cells[-1]:
            cells.pop()
        return cells


@dataclass(slots=True)
class Copies:
    """Limits the repeated words of merged cells: a few lines of HTML may request a million copies of a page.

    >>> len(Copies().of("x" * 500))
    300
    """

    chars: int = 0

    def of(self, text: str) -> str:
        if len(text) > COPY_CHARS:
            text = text[: COPY_CHARS - 1] + "…"
        self.chars += len(text)
        return text if self.chars <= ALL_COPIES else ""


def spread(rows: Iterable[tuple[int, list[Cell], bool]]) -> Iterator[Row]:
    """Convert rows of cells with spans to rows with one cell per column.

    >>> [row.cells for row in spread([(1, [Cell("tea", down=2), Cell("hot")], False), (2, [Cell("iced")], False)])]
    [['tea', 'hot'], ['tea', 'iced']]

    Args:
        rows: (number, cells, whether the file marks the row as a head); columns covered by a span from above are
            filled in.
    """
    copies = Copies()
    below: dict[
        int, tuple[int, str, bool]
    ] = {}  # column -> (rows still to fill, words, whether it continues the cell to the left)
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
    """Return cells as words, without empty ones at the end, at most ``MAX_COLUMNS``.

    >>> trimmed(["tea ", 3, None])
    ['tea', '3']
    """
    words = [" ".join(str(cell).split()) if cell is not None else "" for cell in cells]
    while words and not words[-1]:
        words.pop()
    return words[:MAX_COLUMNS]
