"""Plain text (.txt .text .log .rst): the unchanged text, with chapter lines of books as headings.

A single line such as 第三章 归途 or 1.2 Limits (``headings.heading_of``), CHAPTER IV or Part 2: The Road is a heading;
so is an underlined line in .rst files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from indexes.readers.builder import Extract
from indexes.readers.decode import decode
from indexes.readers.outline import Section
from indexes.readers.source_file import SourceFile
from indexes.text.headings import ARTICLE_LEVEL, article_of, heading_of
from indexes.text.invisible import without_invisible

# Each pattern begins with a line break, which a search finds many times faster than ^.
_MAYBE_HEADING = re.compile(r"\n[ \t　]*+((?:第|[1-9]\d{0,2}[.．]\d)[^\r\n]{0,80})(\r?$)?", re.MULTILINE)
_CHAPTER_EN = re.compile(
    r"\n[ \t]*+((CHAPTER|Chapter|PART|Part|BOOK|Book|VOLUME|Volume)[ \t]+"
    r"(?:\d{1,3}|[IVXLC]{1,7})(?:[.:—–-]?[ \t][^\r\n]{0,60}|[.:])?)\r?$",
    re.MULTILINE,
)
_UNDERLINED = re.compile(r"^(\S[^\n]{0,120})\n(([=\-~^\"'*+#`:._])\3{2,})[ \t]*$", re.MULTILINE)
_MARKDOWN = re.compile(r"\n(#{1,6})(?:[ \t]+|(?=(\d|[\u4e00-\u9fff])))[^#\r\n]{1,80}$", re.MULTILINE)
_LEVELS = {"book": 1, "volume": 1, "part": 2, "chapter": 3}
_BELOW = {"chinese": 0, "numbered": 3}  # numbered headings are below chapters and articles
Mark = tuple[int, int, int, str]  # (start, end, level, title) of a heading


def read(file: SourceFile) -> Extract:
    r"""Read a plain text file.

    >>> extract = read(SourceFile("a.txt", data="第一章 下雨\n今天下雨。\n".encode()))
    >>> [(section.kind, section.heading) for section in extract.sections]
    [('heading', ('第一章 下雨',)), ('text', ('第一章 下雨',))]
    """
    text, encoding = decode(file, file.read_bytes())
    text = without_invisible(text)  # first, as a heading may follow such a character
    suffix = file.suffix
    marks: list[Mark] = []
    if suffix != ".log":
        marks += chapters(text)
    if suffix == ".rst":
        marks = sorted([*marks, *_underlined(text)], key=lambda mark: (mark[0], -mark[1]))  # with its underline
    return Extract(text, sections_of(len(text), marks), {"encoding": encoding} if encoding else {}, visible=True)


def chapters(text: str, start: int = 0) -> list[Mark]:
    r"""Return the chapter lines from ``start`` on, in order.

    >>> chapters("Before.\n\nCHAPTER IV\n\nIt rains.")
    [(9, 19, 3, 'CHAPTER IV')]
    """
    found = []
    lines = "\n" + text  # the first line needs a break before it too; offsets in the text are one less
    for match in _MAYBE_HEADING.finditer(lines, start):
        title = match.group(1).strip()
        heading = heading_of(title) if match.group(2) is not None else None
        if heading is not None and title[-1] != "”":
            found.append((match.start(1) - 1, match.end(1) - 1, _BELOW[heading.form] + heading.level, title))
        elif (article := article_of(match.group(1))) and _begins(text, match.start()):
            found.append((match.start(), match.start(), ARTICLE_LEVEL, article))
    for match in _MARKDOWN.finditer(lines, start):
        heading = heading_of(match.group()[1:])
        if heading is not None and _stands(text, match.start(), match.end() - 1, match):
            found.append((match.start(), match.end() - 1, heading.level, heading.title))
    for match in _CHAPTER_EN.finditer(lines, start):
        # A wrapped line of a paragraph may begin with "Part 2 of": a heading is between blank lines.
        at, end = match.start(), match.end() - 1
        alone = text[max(at - 2, 0) : at].strip() == "" and text[end : end + 2].strip() == ""
        title = match.group(1).strip()
        if alone and title[-1] not in ",;!?":
            found.append((match.start(1) - 1, match.end(1) - 1, _LEVELS[match.group(2).lower()], title))
    return sorted(found)


def _begins(text: str, at: int) -> bool:
    """Return whether a new part begins at ``at``: after a blank line, a heading, or the end of a sentence."""
    before = text[max(0, at - 120) : at].rstrip(" \t　\r")
    above = before.removesuffix("\n").rstrip(" \t　\r")
    if not above or above.endswith("\n") or above[-1] in "。；：！？.;:!?）)】”」":
        return True
    return heading_of(above.rpartition("\n")[2]) is not None


def _stands(text: str, start: int, end: int, line: re.Match[str]) -> bool:
    """Return whether a line with # is a heading of plain text.

    It follows a blank line, and precedes another one or has a number or Chinese words directly after the mark (#3.5,
    #安装). With two marks (##3.5) it always is: no comment looks like that.
    """
    if line.group(2) is not None and len(line.group(1)) > 1:
        return True
    above = text[max(0, start - 80) : start].replace("\r", "").rstrip(" \t")
    if above and above != "\n" and not above.endswith("\n\n"):
        return False
    below = text[end : end + 80].replace("\r", "").split("\n", 2)
    return line.group(2) is not None or len(below) < 2 or not below[1].strip()


def _underlined(text: str) -> Iterator[Mark]:
    """Yield the titles of reStructuredText; levels follow the order in which the marks first appear."""
    order: list[str] = []
    for match in _UNDERLINED.finditer(text):
        title, mark = match.group(1).strip(), match.group(3)
        if len(match.group(2)) < len(title) or not any(char.isalnum() for char in title):
            continue
        if mark not in order:
            order.append(mark)
        yield match.start(), match.end(), 4 + order.index(mark), title


def sections_of(length: int, marks: list[Mark]) -> list[Section]:
    """Return sections that tile a text of ``length`` characters: each heading, and the text up to the next.

    >>> [(section.start, section.end, section.kind) for section in sections_of(30, [(9, 19, 1, "CHAPTER IV")])]
    [(0, 9, 'text'), (9, 19, 'heading'), (19, 30, 'text')]
    """
    sections: list[Section] = []
    levels: list[tuple[int, str]] = []
    heading: tuple[str, ...] = ()
    at = 0
    for start, group in groupby(marks, key=lambda mark: mark[0]):
        _, end, level, title = next(group)
        if start < at:
            continue
        if start > at:
            sections.append(Section(at, start, heading))
        while levels and levels[-1][0] >= level:
            levels.pop()
        levels.append((level, " ".join(title.split())))
        heading = tuple(name for _, name in levels)
        if end > start:  # the number of an article is text, with which the section begins
            sections.append(Section(start, end, heading, kind="heading"))
        at = end
    if at < length or not sections:
        sections.append(Section(at, length, heading))
    return sections
