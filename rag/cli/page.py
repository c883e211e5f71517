"""The page of a terminal: how wide it is, where lines break, what is bold or dim.

Lines break between words, and between Chinese characters, none of which is parted from the punctuation that belongs to
it; Chinese characters take two columns. A pipe gets the same text, unbroken and without colours.
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
ON, OFF = "\ue000", "\ue001"  # around what is to be bold, while lines are broken
_BOLD = {ON: "\x1b[1m", OFF: "\x1b[22m"}
_MARK = re.compile(r"\[\d+\]")

_OPENING = "（【《「『〈〔［｛“‘" + ON
_CLOSING = "，。、；：？！）】》」』〉〕］｝”’…％" + OFF
_WIDE = rf"(?![{_OPENING}{_CLOSING}])[{CJK}]"
_UNIT = re.compile(
    rf"\n|[^\S\n]+|[{_OPENING}]*(?:{_WIDE}|[^\s{CJK}]+|(?=[{_CLOSING}]))[{_CLOSING}]*(?:\[\d+\][{_CLOSING}]*)*|."
)


def set_colours(choice: str) -> None:
    """Follow ``--color``: "always", "never", or "auto": where the output is a terminal and NO_COLOR is not set."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    click.get_current_context().color = {"always": True, "never": False}.get(choice, False if plain else None)


def width_of(stream: TextIO) -> int | None:
    """The columns for running text where ``stream`` is a terminal, else None: lines are not broken."""
    return min(shutil.get_terminal_size().columns, WIDEST) if stream.isatty() else None


def out_width() -> int | None:
    return width_of(sys.stdout)


def dim(text: str) -> str:
    return click.style(text, dim=True) if text else ""


def marked(text: str) -> str:
    """Citation marks in colour, and bold where ``ON`` and ``OFF`` stand."""
    text = _MARK.sub(lambda match: click.style(match.group(), fg="cyan"), text)
    return text.replace(ON, _BOLD[ON]).replace(OFF, _BOLD[OFF])


def unmarked(text: str) -> str:
    """A document's own text: without the two characters that mean bold here."""
    return text.replace(ON, "").replace(OFF, "")


class Flow:
    """Breaks text into lines while it comes in pieces.

    Args:
        width: columns of a line; None breaks none.
        indent: before each line.
    """

    def __init__(self, width: int | None, indent: str = "") -> None:
        self.rows = 0  # line ends so far
        self._width, self._indent = width, indent
        self._column = 0  # of the next character
        self._begun = False  # something stands on this line
        self._gap = ""  # blanks that wait for the next word
        self._held = ""  # what may be part of a longer unit

    def feed(self, piece: str) -> str:
        """What can be shown now: everything up to the last unit, which the next piece may lengthen."""
        units = _UNIT.findall(self._held + piece)
        self._held = units.pop() if units else ""
        return "".join(map(self._set, units))

    def finish(self) -> str:
        """The rest."""
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
        """The unit, cut where it alone is longer than a line, as addresses are."""
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
    """The text in lines of ``width`` columns.

    Args:
        indent: before each line; ``first``: before the first one instead.
    """
    flow = Flow(width, indent)
    if first is None:
        return flow.feed(text) + flow.finish()
    flow._column, flow._begun = columns(first), True
    return first + flow.feed(text) + flow.finish()


def _columns(text: str) -> int:
    return columns(text.replace(ON, "").replace(OFF, ""))


def cut(text: str, width: int | None) -> str:
    """One line of at most ``width`` columns; the end is left out where it does not fit."""
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
    """The part of a long text that holds the most ``spans`` of matched characters, these in bold.

    Args:
        text: on one line.
        most: columns; a text that is not longer stays whole.
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
    """The beginning of a word or sentence at or before ``place``, if one is near."""
    near = max(text.rfind(mark, max(0, place - 20), place + 1) for mark in (" ", "，", "。", "；", "、"))
    return near + 1 if near >= 0 else place


def table(rows: Iterable[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows in columns, the wide characters of Chinese counted as two; the last column is not filled up."""
    rows = list(rows)
    if not rows:
        return []
    widths = [max(columns(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        gap.join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
