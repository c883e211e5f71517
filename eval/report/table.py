"""Tables as plain text and as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from indexes.display import one_line
from indexes.text.characters import columns

_MARKUP = re.compile(r"[\\`*_\[\]]")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a plain table: first column left-aligned, the others right-aligned, floats with four decimals.

    >>> print(table(["run", "MAP"], [["base", 0.5], ["window 5", None]]))
    run          MAP
    base      0.5000
    window 5       -
    """
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(head, *texts, strict=True)]
    lines = []
    for row in (list(head), *texts):
        cells = [
            _pad(text, width, left=place == 0) for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def pipes(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: bool = False) -> list[str]:
    """Return the lines of a Markdown table: first column left-aligned, the others too if ``left``, else right-aligned.

    >>> pipes(["run", "MAP"], [["base", "0.5"]])
    ['| run | MAP |', '| --- | ---: |', '| base | 0.5 |']
    """
    head, rows = [one_line(cell) for cell in head], [[one_line(cell) for cell in row] for row in rows]
    lines = (head, ["---", *["---" if left else "---:"] * (len(head) - 1)], *rows)
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines]


def plain(text: str) -> str:
    """Escape text for Markdown, with control characters, direction marks and line breaks written as escapes.

    >>> print(plain("top_k < 5"))
    top\\_k &lt; 5
    """
    return _MARKUP.sub(r"\\\g<0>", one_line(text)).replace("&", "&amp;").replace("<", "&lt;")


def escape(text: str) -> str:
    """Escape text for HTML and SVG.

    >>> escape("a < b")
    'a &lt; b'
    """
    return html.escape(one_line(text))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "-" if value is None else one_line(str(value))


def _pad(text: str, width: int, *, left: bool) -> str:
    blanks = " " * (width - columns(text))
    return text + blanks if left else blanks + text
