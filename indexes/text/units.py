"""What is too little to be searched by itself joins its neighbour: bare punctuation, lines of numbers, fragments.

A sentence without a letter or digit ("——", "...") has a vector near everything, and takes a place among the hits that
says nothing. Where each cell of a table stands in a line of its own, as in much text of financial reports, a number
alone says as little; label and numbers together do. The joined text is the document's own, white space included.
"""

from __future__ import annotations

import re

from indexes.text.characters import HAN

UNIT_CHARS = 300  # of joined lines and fragments
MARKS_CHARS = 600  # of a sentence that takes marks in: what is longer may be all that the encoder reads
LABEL_CHARS = 60
FRAGMENT = 4  # letters and digits, a Chinese character counting two

_IS_HAN = re.compile(f"[{HAN}]")
_ENDS = re.compile(r"[.!?。！？…;；:：][\"'”’」』）)\]]*$")
_ENDS_INSIDE = re.compile(r"[!?。！？；;]|\.\s")


def says_nothing(text: str) -> bool:
    """Whether a text has neither a letter nor a digit.

    >>> says_nothing("——"), says_nothing("$"), says_nothing("5 $")
    (True, True, False)
    """
    return not any(char.isalnum() for char in text)


def _weight(text: str) -> int:
    return sum(2 if _IS_HAN.match(char) else 1 for char in text if char.isalnum())


def is_fragment(text: str) -> bool:
    if len(text) > 3 * FRAGMENT or _weight(text) >= FRAGMENT:
        return False
    return not _ENDS.search(text) or not any(char.isalpha() for char in text)


def is_numbers(text: str) -> bool:
    """At least half of it is digits."""
    digits = sum(char.isdigit() for char in text)
    return 2 * digits >= sum(char.isalnum() for char in text) > 0


def is_label(text: str) -> bool:
    """A short line that is not a sentence: a row's or a column's name."""
    return len(text) <= LABEL_CHARS and not _ENDS.search(text) and not _ENDS_INSIDE.search(text)
