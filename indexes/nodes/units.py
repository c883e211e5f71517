"""What is too little to be searched by itself joins its neighbour: bare punctuation, lines of numbers, fragments.

A sentence without a letter or digit ("——", "...") has a vector near everything, and takes a place among the hits that
says nothing. Where each cell of a table stands in a line of its own, as in much text of financial reports, a number
alone says as little; label and numbers together do. The joined text is the document's own, white space included.
"""

from __future__ import annotations

import dataclasses
import re

from indexes.nodes.record import SentenceRecord
from indexes.text.characters import HAN
from indexes.text.lines import LIST_MARK

UNIT_CHARS = 300  # of joined lines and fragments
MARKS_CHARS = 600  # of a sentence that takes marks in: what is longer may be all that the encoder reads
LABEL_CHARS = 60
FRAGMENT = 4  # letters and digits, a Chinese character counting two

_IS_HAN = re.compile(f"[{HAN}]")
_ENDS = re.compile(r"[.!?。！？…;；:：][\"'”’」』）)\]]*$")
_ENDS_INSIDE = re.compile(r"[!?。！？；;]|\.\s")


def joins(first: SentenceRecord, space: str, second: SentenceRecord) -> bool:
    """Whether two sentences are one unit; ``space`` is the white space behind the first one."""
    if not (first.kind == second.kind == "text" and first.section == second.section):
        return False
    if first.end + len(space) != second.start or first.raw is not None or second.raw is not None:
        return False
    length = len(first.text) + len(space) + len(second.text)
    if says_nothing(first.text) or says_nothing(second.text):
        return length <= MARKS_CHARS
    breaks = space.count("\n")
    if length > UNIT_CHARS or breaks > 1:
        return False
    if _fragment(first.text) or _fragment(second.text):
        return not LIST_MARK.match(second.text)
    if not breaks or LIST_MARK.match(first.text) or LIST_MARK.match(second.text):
        return False
    numbers = _numbers(first.text), _numbers(second.text)
    return all(numbers) or (numbers[0] and _label(second.text)) or (numbers[1] and _label(first.text))


def joined(first: SentenceRecord, space: str, second: SentenceRecord) -> SentenceRecord:
    """Return both as one; place and page are those of the first."""
    return dataclasses.replace(first, text=f"{first.text}{space}{second.text}", end=second.end)


def says_nothing(text: str) -> bool:
    """Whether a text has neither a letter nor a digit.

    >>> says_nothing("——"), says_nothing("$"), says_nothing("5 $")
    (True, True, False)
    """
    return not any(char.isalnum() for char in text)


def _weight(text: str) -> int:
    return sum(2 if _IS_HAN.match(char) else 1 for char in text if char.isalnum())


def _fragment(text: str) -> bool:
    if len(text) > 3 * FRAGMENT or _weight(text) >= FRAGMENT:
        return False
    return not _ENDS.search(text) or not any(char.isalpha() for char in text)


def _numbers(text: str) -> bool:
    """At least half of it is digits."""
    digits = sum(char.isdigit() for char in text)
    return 2 * digits >= sum(char.isalnum() for char in text) > 0


def _label(text: str) -> bool:
    """A short line that is no sentence: a row's or a column's name."""
    return len(text) <= LABEL_CHARS and not _ENDS.search(text) and not _ENDS_INSIDE.search(text)
