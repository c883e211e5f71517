"""Remove invisible characters (soft hyphens, zero-width spaces, direction marks), for all formats.

A word with one of them is not found by its letters, so readers remove them from the text; ``searched`` does so for
everything that is encoded, as texts may come from other readers.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from indexes.text.characters import CJK, INVISIBLE, JOINERS, valid

# Joiners have a meaning in Arabic, Indic and other scripts and in emoji, but not in a Latin or Chinese word.
_JOINED = "\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\u200d\u2600-\u27bf\ufe0f\U0001f000-\U0001faff"
_INVISIBLE = re.compile(f"\u00ad(?:[ \t]*\r?\n[ \t]*(?=[^\\W\\d_]))?|[{INVISIBLE}]|(?<![{_JOINED}])[{JOINERS}]")
_ANY = frozenset((*INVISIBLE, *JOINERS, "\u2011"))
_SHORT = 400  # characters up to which checking each is faster than searching for each invisible one
_JOINER_BEFORE = re.compile(f"[{_JOINED}]")
_WRAPPED = re.compile(f"(?<=[{CJK}])[ \t]*\r?\n[ \t　]*(?=[{CJK}])")


def without_invisible(text: str) -> str:
    r"""Return ``text`` without invisible characters; a soft hyphen at a line end is removed with the line break.

    >>> without_invisible("zero\u200bwidth, down\u00ad\nstream")
    'zerowidth, downstream'
    """
    if text.isascii() or (_ANY.isdisjoint(text) if len(text) < _SHORT else not any(char in text for char in _ANY)):
        return text
    return _INVISIBLE.sub("", text).replace("\u2011", "-")


def safe_cut(text: str) -> int:
    """Return a place near the end where a text can be cut without changing the result: after a plain letter.

    >>> safe_cut("It rains.")
    8
    """
    for at in range(len(text), max(len(text) - 100, 0), -1):
        if text[at - 1].isalnum() and not _JOINER_BEFORE.match(text[at - 1]):
            return at
    return max(len(text) - 100, 0)


class Removed:
    r"""Maps offsets of a text to offsets of ``without_invisible(text)``.

    >>> removed = Removed("zero\u200bwidth")
    >>> removed.text, removed.offset(5)
    ('zerowidth', 4)
    """

    def __init__(self, text: str) -> None:
        self.text = without_invisible(text)
        self._ends: list[int] = []
        self._gone: list[int] = [0]
        if len(self.text) != len(text):
            for match in _INVISIBLE.finditer(text):
                self._ends.append(match.end())
                self._gone.append(self._gone[-1] + match.end() - match.start())

    def offset(self, at: int) -> int:
        """Return the new offset of the character at ``at``; for a removed one, that of the next character."""
        before = bisect_left(self._ends, at + 1)
        moved = at - self._gone[before]
        return min(moved, len(self.text))


def searched(text: str) -> str:
    r"""Return the text to encode of a sentence: wrapped Chinese lines joined, no invisible characters or surrogates.

    >>> searched("今天\n下雨。")
    '今天下雨。'
    """
    if "\n" in text:
        text = _WRAPPED.sub("", text)
    return valid(without_invisible(text))
