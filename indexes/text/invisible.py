"""Characters that nobody sees: soft hyphens, zero-width blanks, direction marks. One way out for all formats.

A word that holds one is not found by its letters, so readers take them out of the text, and whatever is encoded goes
through ``searched`` besides, for texts that no reader of ours has made.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from indexes.text.characters import CJK, INVISIBLE, JOINERS, valid

# Joiners mean something in Arabic, Indic and other scripts and within emoji; in a Latin or Chinese word they do not.
_JOINED = "\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\u200d\u2600-\u27bf\ufe0f\U0001f000-\U0001faff"
_INVISIBLE = re.compile(f"\u00ad(?:[ \t]*\r?\n[ \t]*(?=[^\\W\\d_]))?|[{INVISIBLE}]|(?<![{_JOINED}])[{JOINERS}]")
_ANY = frozenset((*INVISIBLE, *JOINERS, "\u2011"))
_SHORT = 400  # characters up to which one look at each is faster than a search for each of ours
_JOINER_BEFORE = re.compile(f"[{_JOINED}]")
_WRAPPED = re.compile(f"(?<=[{CJK}])[ \t]*\r?\n[ \t　]*(?=[{CJK}])")


def without_invisible(text: str) -> str:
    """``text`` without them; a soft hyphen at the end of a line takes the line break with it."""
    if text.isascii() or (_ANY.isdisjoint(text) if len(text) < _SHORT else not any(char in text for char in _ANY)):
        return text
    return _INVISIBLE.sub("", text).replace("\u2011", "-")


def safe_cut(text: str) -> int:
    """Where a text may be cut so that both parts come out as the whole does: behind a plain letter near its end."""
    for at in range(len(text), max(len(text) - 100, 0), -1):
        if text[at - 1].isalnum() and not _JOINER_BEFORE.match(text[at - 1]):
            return at
    return max(len(text) - 100, 0)


class Removed:
    """Offsets of a text to offsets of ``without_invisible(text)``."""

    def __init__(self, text: str) -> None:
        self.text = without_invisible(text)
        self._ends: list[int] = []
        self._gone: list[int] = [0]
        if len(self.text) != len(text):
            for match in _INVISIBLE.finditer(text):
                self._ends.append(match.end())
                self._gone.append(self._gone[-1] + match.end() - match.start())

    def offset(self, at: int) -> int:
        """Where the character number ``at`` of the original stands now (one that was removed: what followed it)."""
        before = bisect_left(self._ends, at + 1)
        moved = at - self._gone[before]
        return min(moved, len(self.text))


def searched(text: str) -> str:
    """What is encoded of a sentence: wrapped Chinese lines joined, so that no word is torn, and nothing invisible or
    half a character."""
    if "\n" in text:
        text = _WRAPPED.sub("", text)
    return valid(without_invisible(text))
