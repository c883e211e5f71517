"""Records written as text: a list item or line of two or more "key: value" pairs is one sentence.

Chinese knowledge bases are often written that way: ``- 品名：柴油滤芯；数量：12 只；入库：2024-03-18``. Divided at ；,
the number and the date would lose what they refer to.
"""

from __future__ import annotations

import re

from indexes.text.characters import CJK
from indexes.text.lines import BLOCK_START, IS_CJK, LIST_MARK, WRAP_COLUMNS, columns_of

RECORD_CHARS = 2000  # a longer record is split like running text

_SEPARATOR = re.compile(f"；|;(?=\\s|\\Z|[{CJK}])")
# A key: up to 24 characters with at least one letter and no sentence mark; not "http" and not "8:30".
_PAIR = re.compile(
    r"\s*+(?=[^：:\n]*[^\W\d_])"
    r"[^\s；;：:。！？!?，,、|\n][^；;：:。！？!?，,、|\n]{0,23}?\s?(?<![说问道答喊想叫曰])(?:：|:(?!//))\s*+[^\s；;]"
)
_ENDS_INSIDE = re.compile(r"[.!?]\s+[A-Z]|[。！？](?=.)")
_OPENING, _CLOSING = re.compile("[（(〈《【\\[「]"), re.compile("[）)〉》】\\]」]")
PART_CHARS = 80  # longest part of a line without a list mark; longer ones are running text
_GOES_ON = frozenset("；;，,、：:")


def record_end(text: str, at: int, stop: int) -> int:
    r"""Return the end of the record that begins with the line at ``at``; -1 if none does.

    A list item is a record if more than half of its parts are pairs, a line without a list mark if all are. A record
    may have several lines. At most ``RECORD_CHARS`` characters are read.

    >>> record_end("- 品名：滤芯；数量：12 只\n", 0, 16), record_end("今天下雨。", 0, 5)
    (15, -1)
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
    end = start + len(text[start:end].rstrip())
    parts = [part for part in _SEPARATOR.split(text[start:end]) if part.strip(" \t\r\n。.")]
    pairs = sum(map(_is_pair, parts))
    if pairs < 2:
        return -1
    if mark is not None:
        return end if pairs * 2 > len(parts) else -1
    ends = sum(len(_ENDS_INSIDE.findall(part)) for part in parts)
    return end if pairs == len(parts) and ends < 2 and max(map(len, parts)) <= PART_CHARS else -1


def is_record_line(line: str) -> bool:
    """Return whether a line without a list mark is a record: two or more pairs, and nothing else.

    >>> is_record_line("车型：轻卡；排量：2.8 升"), is_record_line("今天下雨；明天天晴")
    (True, False)
    """
    parts = [part for part in _SEPARATOR.split(line) if part.strip()]
    return len(parts) > 1 and all(map(_is_pair, parts))


def _is_pair(part: str) -> bool:
    """Return whether a part is a pair; not within brackets: 亚马逊（西语：Amazonia；法语：Amazonie）是一片雨林。"""
    return _PAIR.match(part) is not None and len(_OPENING.findall(part)) == len(_CLOSING.findall(part))


def _holds(text: str, marks: str, start: int, end: int) -> bool:
    return any(text.find(mark, start, end) >= 0 for mark in marks)


def _line_end(text: str, at: int, limit: int) -> int:
    end = text.find("\n", at, limit)
    return limit if end < 0 else end


def _with_wrapped_lines(text: str, at: int, end: int, limit: int, *, listed: bool) -> int:
    """Return the end of the item with its further lines: indented, announced by a separator, or wrapped."""
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
    """Return whether the line that ends at ``last`` is wrapped: wide, not closed, and without a pair below it."""
    columns = columns_of(text, start, last + 1) if last - start < 200 else 0
    return (
        columns >= WRAP_COLUMNS
        and IS_CJK.match(text[last]) is not None
        and text[last] not in "。！？；："
        and columns_of(text, following, min(below, following + 200)) <= columns + 2
        and not _PAIR.match(text, following, below)
    )
