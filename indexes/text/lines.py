"""Lines and paragraphs for the sentence splitter: decide whether a line break ends a sentence or wraps a line.

A wrapped line is as wide as its neighbours: the first word of the next line would not have fitted on it. Widths are in
columns; a Chinese character takes two.
"""

from __future__ import annotations

import re

from indexes.text.characters import CJK, HANGUL

BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
IS_CJK = re.compile(f"[{CJK}{HANGUL}]")
WRAP_COLUMNS = 36  # narrower lines are not wrapped
WIDEST = 200  # characters; longer lines are not wrapped

_SPACE = re.compile(r"\s*+")
_ENUMERATED = (
    r"\d{1,3}[.)、．）](?!\d)|[(（][一二三四五六七八九十百\da-zA-Z]{1,3}[)）]|[一二三四五六七八九十百]{1,3}[、.．]"
    r"|[①-⑳]|[a-zA-Z][.)]\s|[ivxIVX]{1,4}[.)]\s"
)
LIST_MARK = re.compile(rf"(?:[-*+•·●○■□◆▪‣–—]\s|{_ENUMERATED})")
BLOCK_START = re.compile(
    rf"[-*+•·●○■□◆▪‣–—]\s|{_ENUMERATED}"
    r"|第[一二三四五六七八九十百千零〇两\d]{1,8}[章节回卷部篇条]|#{1,6}\s|\||```|~~~|\[?\d{4}[-/]\d\d|\[?\d\d:\d\d|　"
)
_BEGINS_NO_LINE = frozenset("，。、；：！？）」』】》〉〕”’…％,.;:!?)]}")
_CLOSES_LINE = frozenset("。！？；：…．‼⁇⁈⁉.!?;:")  # the line was ended on purpose
_CLOSERS = frozenset("」』”’）》】)\"'")
_WIDE = re.compile(f"[{CJK}{HANGUL}　“”‘’…—]")
_PAUSE = re.compile("[，、；。]")


class Paragraph:
    """State of the walk in the current paragraph: straight quotes, beginnings and widths of lines.

    Quotes are counted on demand. ``fresh`` is True if the current sentence begins a line.

    >>> text = 'He said "yes'
    >>> Paragraph(0).open_quote(text, len(text)), Paragraph(0).in_item("- milk")
    (True, True)
    """

    __slots__ = ("columns", "counted", "fresh", "hashed", "indent", "item", "line", "quotes", "width", "wrap")

    def __init__(self, at: int) -> None:
        self.hashed = False  # whether the line begins with "#", for when its beginning is out of sight
        self.item: bool | None = None  # whether the line is part of a list item; None: not determined yet
        self.wrap = 0  # columns at which lines of this text are wrapped
        self.indent = 0  # columns of white space before the current line
        self.fresh = True
        self.reset(at)

    def reset(self, at: int) -> None:
        self.counted, self.quotes, self.line, self.width, self.columns = at, 0, at, 0, 0
        self.item = None

    def gap(self, text: str, start: int, end: int) -> None:
        """Record the white space ``text[start:end]`` after a sentence."""
        breaks = text.count("\n", start, end)
        self.fresh = breaks > 0
        if breaks > 1:
            self.reset(end)
        elif breaks:
            indent = indent_of(text, start, end)
            self.item = True if indent > 1 and self.in_item(text) and not LIST_MARK.match(text, end) else None
            self.line = end
        if breaks:
            self.indent = indent_of(text, start, end)

    def copy(self) -> Paragraph:
        other = Paragraph.__new__(Paragraph)
        other.columns, other.counted, other.fresh, other.hashed = self.columns, self.counted, self.fresh, self.hashed
        other.indent, other.item, other.line, other.quotes = self.indent, self.item, self.line, self.quotes
        other.width, other.wrap = self.width, self.wrap
        return other

    def settle(self, text: str, at: int) -> None:
        """Prepare to continue at ``at``, when the text before it may be out of sight."""
        self.open_quote(text, at)
        self.hashed = self.hash_line(text)
        self.in_item(text)

    def shift(self, by: int) -> None:
        """Adjust offsets after the first ``by`` characters were dropped from the text."""
        self.line -= by
        self.counted -= by

    def hash_line(self, text: str) -> bool:
        """Return whether the current line begins with "#"."""
        return text.startswith("#", self.line) if self.line >= 0 else self.hashed

    def in_item(self, text: str) -> bool:
        """Return whether the current line is part of a list item."""
        if self.item is None:
            self.item = self.line >= 0 and LIST_MARK.match(text, self.line) is not None
        return self.item

    def open_quote(self, text: str, at: int) -> bool:
        """Return whether a straight double quote is open before ``at``; each character is counted once."""
        self.quotes += text.count('"', self.counted, at)
        self.counted = max(self.counted, at)
        return self.quotes % 2 == 1


def after_space(text: str, at: int, stop: int) -> int:
    """Return the offset of the first character from ``at`` on that is not white space, at most ``stop``.

    >>> after_space("a  b", 1, 4)
    3
    """
    if at < stop and text[at].isspace():
        match = _SPACE.match(text, at, stop)
        return match.end() if match else at
    return at


def line_ends(text: str, i: int, after: int, begin: int, stop: int, state: Paragraph) -> bool:
    r"""Return whether the line break at ``i`` (white space up to ``after``) ends a sentence.

    >>> text = "It rains\nand snows"
    >>> line_ends(text, 8, 9, 0, len(text), Paragraph(0))
    False
    >>> line_ends("It rains\n\nIt snows", 8, 10, 0, 18, Paragraph(0))
    True
    """
    gap = text[i:after]
    if gap.count("\n") > 1 or gap.count("\r") > 1 or "\u2029" in gap or "\x0c" in gap:
        state.reset(after)
        return True
    item = state.in_item(text)
    ends = _ends(text, i, after, begin, stop, state)
    state.item = None if ends else item
    return ends


def _ends(text: str, i: int, after: int, begin: int, stop: int, state: Paragraph) -> bool:
    gap = text[i:after]
    length = i - state.line
    hashed, width, above = state.hash_line(text), state.width, state.columns
    columns = state.indent + columns_of(text, state.line, i) if state.line >= 0 and length <= WIDEST else 0
    state.line, state.width, state.columns = after, max(width, length), columns
    state.indent = indent_of(text, i, after)
    if BLOCK_START.match(text, after, stop) or "　" in gap or hashed:
        return True
    last = i - 1
    while last > begin and text[last].isspace():
        last -= 1
    following = text[after]
    if text[last] in "，、," or following in _BEGINS_NO_LINE:
        return False
    chinese = IS_CJK.match(text[last]) is not None
    if (chinese or IS_CJK.match(following)) and _is_wrapped(text, i - length, last, after, stop, columns, above, state):
        return False
    if chinese:
        return True
    if following.islower():
        return False
    if IS_CJK.match(following):
        return length < 35
    if not (following.isupper() or following.isdigit()):
        return False
    # A wrapped line is full: if the next word would have fitted, the line was ended on purpose.
    line_end = text.find("\n", after, min(stop, after + 200))
    next_length = (line_end if line_end >= 0 else min(stop, after + 200)) - after
    word_end = text.find(" ", after, after + 40)
    word = (word_end if word_end >= 0 else after + 40) - after
    return length < 35 or length + 1 + word <= max(width, next_length if next_length < 120 else 0)


def _is_wrapped(
    text: str, start: int, last: int, after: int, stop: int, columns: int, above: int, state: Paragraph
) -> bool:
    """Return whether the line that ends at ``last`` is a full line of wrapped text.

    Args:
        columns, above: width of this line and of the one above in the paragraph (0: unknown, or none).
    """
    if columns < WRAP_COLUMNS or _is_closed(text, start, last):
        return False
    end = text.find("\n", after, min(stop, after + WIDEST))
    end = end if end >= 0 else min(stop, after + WIDEST)
    below = state.indent + columns_of(text, after, end)
    widest = max(above, below, state.wrap)
    # The first line of a paragraph may be indented by two characters, which readers remove.
    indent = 4 if not above and _PAUSE.search(text, start, last) else 0
    if widest - _first_word(text, after, end) - 2 < columns + indent and columns <= widest + 2:
        state.wrap = widest
        return True
    # A paragraph of two lines has no other full line; a line with a pause is not a title.
    return below <= columns + 2 and _is_closed(text, after, end - 1) and _PAUSE.search(text, start, last) is not None


def _is_closed(text: str, start: int, last: int) -> bool:
    """Return whether the line ends like a sentence, closing quotes aside."""
    while last > start and (text[last] in _CLOSERS or text[last].isspace()):
        last -= 1
    return text[last] in _CLOSES_LINE


def columns_of(text: str, start: int, end: int) -> int:
    """Return the width of ``text[start:end]`` in columns; a Chinese character takes two.

    >>> columns_of("今天rain", 0, 6)
    8
    """
    return end - start + len(_WIDE.findall(text, start, end))


def _first_word(text: str, at: int, end: int) -> int:
    """Return the columns of the first unit of a line: a Chinese character with the mark after it, or a word."""
    if IS_CJK.match(text[at]):
        return 4 if at + 1 < end and text[at + 1] in _BEGINS_NO_LINE else 2
    stop = at
    while stop < min(end, at + 30) and not text[stop].isspace() and not IS_CJK.match(text[stop]):
        stop += 1
    return stop - at + 2  # with a blank before it


def indent_of(text: str, start: int, end: int) -> int:
    """Return the columns of white space after the last line break in ``text[start:end]``.

    >>> indent_of("Wait.\\n\\n    Then go.", 5, 11)
    4
    """
    return columns_of(text, max(text.rfind("\n", start, end) + 1, start), end)
