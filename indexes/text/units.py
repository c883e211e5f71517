"""Recognise sentences too short to be searched by themselves: punctuation, lines of numbers, fragments.

A sentence without a letter or digit ("——", "...") has a vector close to everything and takes the place of a useful hit.
In financial reports each cell of a table is often a separate line: a number alone has no meaning, label and numbers
together do. The joined text is that of the document, white space included.
"""

from __future__ import annotations

import re

from indexes.text.characters import HAN

UNIT_CHARS = 300  # longest text of joined lines and fragments
MARKS_CHARS = 600  # longest sentence that marks are joined to: a longer one may be all that the encoder reads
LABEL_CHARS = 60
FRAGMENT = 4  # letters and digits; a Chinese character counts two

_IS_HAN = re.compile(f"[{HAN}]")
_ENDS = re.compile(r"[.!?。！？…;；:：][\"'”’」』）)\]]*$")
_ENDS_INSIDE = re.compile(r"[!?。！？；;]|\.\s")


def says_nothing(text: str) -> bool:
    """Return whether a text has neither a letter nor a digit.

    >>> says_nothing("——"), says_nothing("$"), says_nothing("5 $")
    (True, True, False)
    """
    return not any(char.isalnum() for char in text)


def is_fragment(text: str) -> bool:
    """Return whether a text is a fragment: very short, and not a sentence.

    >>> is_fragment("ok"), is_fragment("(a)"), is_fragment("Go!")
    (True, True, False)
    """
    if len(text) > 3 * FRAGMENT or sum(2 if _IS_HAN.match(char) else 1 for char in text if char.isalnum()) >= FRAGMENT:
        return False
    return not _ENDS.search(text) or not any(char.isalpha() for char in text)


def is_numbers(text: str) -> bool:
    """Return whether at least half of the letters and digits are digits.

    >>> is_numbers("1,250.00"), is_numbers("5 apples")
    (True, False)
    """
    digits = sum(char.isdigit() for char in text)
    return 2 * digits >= sum(char.isalnum() for char in text) > 0


def is_label(text: str) -> bool:
    """Return whether a text may name a row or column: a short line that is not a sentence.

    >>> is_label("Net income"), is_label("It rains.")
    (True, False)
    """
    return len(text) <= LABEL_CHARS and not _ENDS.search(text) and not _ENDS_INSIDE.search(text)
