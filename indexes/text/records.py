"""Records written as text: a list item, or a line, of two or more "key: value" pairs, is one sentence.

Chinese knowledge bases for retrieval are often written so: ``- 品名：柴油滤芯；数量：12 只；入库：2024-03-18``. Torn
at ；, the number and the date lose what they are of.
"""

from __future__ import annotations

import re

from indexes.text.characters import CJK
from indexes.text.lines import BLOCK_START, IS_CJK, LIST_MARK, WRAP_COLUMNS, columns_of

RECORD_CHARS = 2000  # a longer one is split as running text is

_SEPARATOR = re.compile(f"；|;(?=\\s|\\Z|[{CJK}])")
# A key: up to 24 characters with a letter among them and no mark of a sentence; not "http" and not "8:30".
_PAIR = re.compile(
    r"\s*+(?=[^：:\n]*[^\W\d_])"
    r"[^\s；;：:。！？!?，,、|\n][^；;：:。！？!?，,、|\n]{0,23}?\s?(?<![说问道答喊想叫曰])(?:：|:(?!//))\s*+[^\s；;]"
)
_ENDS_INSIDE = re.compile(r"[.!?]\s+[A-Z]|[。！？](?=.)")
_OPENING, _CLOSING = re.compile("[（(〈《【\\[「]"), re.compile("[）)〉》】\\]」]")
PART_CHARS = 80  # of a line without a mark: what is longer is running text
_GOES_ON = frozenset("；;，,、：:")


def record_end(text: str, at: int, stop: int) -> int:
    """Where the record ends that begins with the line at ``at``; -1 where none does.

    A list item is one where more than half of its parts are pairs, a line without a mark where all of them are. It may
    run over several lines. Looks at ``RECORD_CHARS`` characters at most.
    """
    limit = min(stop, at + RECORD_CHARS)
    end = _line_end(text, at, limit)
    mark = LIST_MARK.match(text, at, end)
    if mark is None and not _holds(text, "；;", at, end):
        return -1
    if mark is None and not _PAIR.match(text, at, end):
        return -1
    start = at if mark is None else mark.end()
    end = _with_wrapped_lines(text, at, end, limit, listed=mark is not None)
    if end >= limit < stop or not _holds(text, "：:", at, end) or not _holds(text, "；;", at, end):
        return -1
    while end > start and text[end - 1].isspace():
        end -= 1
    parts = [part for part in _SEPARATOR.split(text[start:end]) if part.strip(" \t\r\n。.")]
    pairs = sum(map(_is_pair, parts))
    if pairs < 2:
        return -1
    if mark is not None:
        return end if pairs * 2 > len(parts) else -1
    ends = sum(len(_ENDS_INSIDE.findall(part)) for part in parts)
    return end if pairs == len(parts) and ends < 2 and max(map(len, parts)) <= PART_CHARS else -1


def _is_pair(part: str) -> bool:
    """A pair does not begin or end within brackets, as in 亚马逊（西语：Amazonia；法语：Amazonie）是一片雨林。"""
    return _PAIR.match(part) is not None and len(_OPENING.findall(part)) == len(_CLOSING.findall(part))


def _holds(text: str, marks: str, start: int, end: int) -> bool:
    return any(text.find(mark, start, end) >= 0 for mark in marks)


def _line_end(text: str, at: int, limit: int) -> int:
    end = text.find("\n", at, limit)
    return limit if end < 0 else end


def _with_wrapped_lines(text: str, at: int, end: int, limit: int, *, listed: bool) -> int:
    """The end of the item: lines go with it that are indented, that a separator announces, or that were wrapped."""
    start = at
    while end < limit:
        following = end + 1
        while following < limit and text[following] in " \t　":
            following += 1
        if following >= limit or text[following] in "\r\n" or BLOCK_START.match(text, following, limit):
            break
        last = end - 1
        while last > start and text[last] in " \t\r":
            last -= 1
        below = _line_end(text, following, limit)
        indented = listed and following - end > 2
        announced = listed and text[last] in _GOES_ON
        if not indented and not announced and not _is_full(text, start, last, following, below):
            break
        start, end = following, below
    return end


def _is_full(text: str, start: int, last: int, following: int, below: int) -> bool:
    """Was the line that ends at ``last`` wrapped? It is wide, closes nothing, and no pair begins below it."""
    columns = columns_of(text, start, last + 1) if last - start < 200 else 0
    return (
        columns >= WRAP_COLUMNS
        and IS_CJK.match(text[last]) is not None
        and text[last] not in "。！？；："
        and columns_of(text, following, min(below, following + 200)) <= columns + 2
        and not _PAIR.match(text, following, below)
    )
