"""Text on a terminal: its width, line breaks, bold and dim text.

Lines break between words and between Chinese characters, but not before the punctuation that belongs to a character;
Chinese characters take two columns. A pipe gets the same text, without line breaks and colours.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

import click

from indexes.text.characters import CJK, columns

WIDEST = 100  # columns of running text: longer lines are hard to read
ON, OFF = "\ue000", "\ue001"  # around bold text, until lines are broken
_BOLD = {ON: "\x1b[1m", OFF: "\x1b[22m"}
_MARK = re.compile(r"\[\d+\]")

_OPENING = "（【《「『〈〔［｛“‘" + ON
_CLOSING = "，。、；：？！）】》」』〉〕］｝”’…％" + OFF
_WIDE = rf"(?![{_OPENING}{_CLOSING}])[{CJK}]"
_UNIT = re.compile(
    rf"\n|[^\S\n]+|[{_OPENING}]*(?:{_WIDE}|[^\s{CJK}]+|(?=[{_CLOSING}]))[{_CLOSING}]*(?:\[\d+\][{_CLOSING}]*)*|."
)


def set_colours(choice: str) -> None:
    """Follow ``--color``: "always", "never", or "auto" (if the output is a terminal and NO_COLOR is not set).

    >>> with click.Context(click.Command("rag")) as context:
    ...     set_colours("never")
    >>> context.color
    False
    """
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    click.get_current_context().color = {"always": True, "never": False}.get(choice, False if plain else None)


def width_of(stream: TextIO) -> int | None:
    """Return the columns for running text on a terminal; None for other streams, where lines are not broken.

    >>> import io
    >>> width_of(io.StringIO()) is None
    True
    """
    return min(shutil.get_terminal_size().columns, WIDEST) if stream.isatty() else None


def out_width() -> int | None:
    """Return the columns for running text on stdout.

    >>> out_width() is None  # this is not a terminal
    True
    """
    return width_of(sys.stdout)


def dim(text: str) -> str:
    r"""Return dim text.

    >>> dim("note"), dim("")
    ('\x1b[2mnote\x1b[0m', '')
    """
    return click.style(text, dim=True) if text else ""


def marked(text: str) -> str:
    r"""Colour citation marks, and make text between ``ON`` and ``OFF`` bold.

    >>> marked(f"It {ON}opens{OFF} at 6 [1].")
    'It \x1b[1mopens\x1b[22m at 6 \x1b[36m[1]\x1b[0m.'
    """
    text = _MARK.sub(lambda match: click.style(match.group(), fg="cyan"), text)
    return text.replace(ON, _BOLD[ON]).replace(OFF, _BOLD[OFF])


def unmarked(text: str) -> str:
    """Remove the two characters that mark bold text from a document's text.

    >>> unmarked(f"It {ON}opens{OFF} at 6.")
    'It opens at 6.'
    """
    return text.replace(ON, "").replace(OFF, "")


class Flow:
    """Break text that arrives in pieces into lines.

    >>> flow = Flow(16)
    >>> print(flow.feed("The harbour opens ") + flow.feed("at 6.") + flow.finish())
    The harbour
    opens at 6.

    Args:
        width: columns of a line; None does not break lines.
        indent: prefix of each line.
    """

    def __init__(self, width: int | None, indent: str = "") -> None:
        self.rows = 0  # line ends so far
        self._width, self._indent = width, indent
        self._column = 0  # of the next character
        self._begun = False  # this line is not empty
        self._gap = ""  # blanks before the next word
        self._held = ""  # may be part of a longer unit

    def feed(self, piece: str) -> str:
        """Add a piece; return what can be shown now: all but the last unit, which may grow."""
        units = _UNIT.findall(self._held + piece)
        self._held = units.pop() if units else ""
        return "".join(map(self._set, units))

    def finish(self) -> str:
        """Return the rest."""
        units, self._held = _UNIT.findall(self._held), ""
        return "".join(map(self._set, units))

    def _set(self, unit: str) -> str:
        if unit == "\n":
            self.rows += 1
            self._column, self._gap, self._begun = 0, "", False
            return "\n"
        if unit.isspace():
            self._gap = unit
            return ""
        shown, size = "", _columns(unit)
        if self._width is not None and self._begun and self._column + len(self._gap) + size > self._width:
            shown, self._gap, self._begun = "\n", "", False
            self.rows += 1
        if not self._begun:
            shown += self._indent
            self._column, self._begun = len(self._indent), True
        shown += self._gap
        self._column, self._gap = self._column + len(self._gap), ""
        return shown + self._fit(unit)

    def _fit(self, unit: str) -> str:
        """Cut a unit that is longer than a line, such as an address."""
        room = None if self._width is None else max(self._width - len(self._indent), 10)
        if room is None or _columns(unit) <= room:
            self._column += _columns(unit)
            return unit
        shown = ""
        for character in unit:
            if self._width is not None and self._column + _columns(character) > self._width:
                shown += "\n" + self._indent
                self.rows += 1
                self._column = len(self._indent)
            shown += character
            self._column += _columns(character)
        return shown


def wrapped(text: str, width: int | None, indent: str = "", first: str | None = None) -> str:
    """Break a text into lines of ``width`` columns.

    >>> print(wrapped("The harbour opens at 6.", 16, indent="  "))
      The harbour
      opens at 6.

    Args:
        indent: prefix of each line.
        first: prefix of the first line, instead of ``indent``.
    """
    flow = Flow(width, indent)
    if first is None:
        return flow.feed(text) + flow.finish()
    flow._column, flow._begun = columns(first), True
    return first + flow.feed(text) + flow.finish()


def _columns(text: str) -> int:
    return columns(text.replace(ON, "").replace(OFF, ""))


def cut(text: str, width: int | None) -> str:
    """Cut a line to at most ``width`` columns; Chinese characters count as two.

    >>> cut("The harbour opens at 6.", 12)
    'The harbour…'
    """
    if width is None or columns(text) <= width:
        return text
    taken, size = "", 0
    for character in text:
        size += columns(character)
        if size > width - 1:
            break
        taken += character
    return taken.rstrip() + "…"


def snippet(text: str, spans: Sequence[tuple[int, int]], most: int) -> str:
    """Return the part of a long text that holds the most ``spans`` of matched characters, in bold.

    >>> unmarked(snippet("At 6 the harbour opens.", [(9, 16)], 40))
    'At 6 the harbour opens.'

    Args:
        text: text on one line.
        spans: (start, end) of matched characters.
        most: maximum columns; a shorter text is returned whole.
    """
    start, end = _best_part(text, spans, most)
    shown = "…" if start > 0 else ""
    at = start
    for first, last in spans:
        if first >= at and last <= end:
            shown += text[at:first] + ON + text[first:last] + OFF
            at = last
    return shown + text[at:end].rstrip() + ("…" if end < len(text) else "")


def _best_part(text: str, spans: Sequence[tuple[int, int]], most: int) -> tuple[int, int]:
    if columns(text) <= most:
        return 0, len(text)
    begins = [0, *(first for first, _ in spans)]
    parts = []
    for begin in begins:
        start = _boundary(text, max(0, begin - most // 6)) if begin else 0
        end = start
        room = most - 2
        while end < len(text) and room >= (size := columns(text[end])):
            room -= size
            end += 1
        if end < len(text) and (blank := text.rfind(" ", start + (end - start) * 2 // 3, end)) > 0:
            end = blank
        parts.append((sum(start <= a and b <= end for a, b in spans), start, end))
    _, start, end = max(parts, key=lambda part: (part[0], -part[1]))
    return start, end


def _boundary(text: str, place: int) -> int:
    """Return the start of a word or sentence at or before ``place``, if one is near."""
    near = max(text.rfind(mark, max(0, place - 20), place + 1) for mark in (" ", "，", "。", "；", "、"))
    return near + 1 if near >= 0 else place


def table(rows: Iterable[Sequence[str]], gap: str = "  ") -> list[str]:
    """Align rows in columns; Chinese characters count as two, and the last column is not padded.

    >>> table([("dense", "0.7"), ("窗口", "0.3")])
    ['dense  0.7', '窗口   0.3']
    """
    rows = list(rows)
    if not rows:
        return []
    widths = [max(columns(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        gap.join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
