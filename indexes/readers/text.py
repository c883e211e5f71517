"""Plain text (.txt .text .log .rst): the text as it is, with chapter lines of books as headings.

A line by itself such as 第三章 归途, CHAPTER IV or Part 2: The Road is a heading; in .rst files so is a line that is
underlined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from indexes.readers.builder import Extract
from indexes.readers.decode import decode
from indexes.readers.outline import Section
from indexes.readers.source_file import SourceFile

_CHAPTER_ZH = re.compile(
    r"^[ \t　]*+(第[一二三四五六七八九十百千零〇两\d]{1,9}([卷部篇编集章回节])(?:[ \t　:：、.．][^\r\n]{0,60})?)\r?$",
    re.MULTILINE,
)
_CHAPTER_EN = re.compile(
    r"^[ \t]*+((CHAPTER|Chapter|PART|Part|BOOK|Book|VOLUME|Volume)[ \t]+"
    r"(?:\d{1,3}|[IVXLC]{1,7})(?:[.:—–-]?[ \t][^\r\n]{0,60}|[.:])?)\r?$",
    re.MULTILINE,
)
_UNDERLINED = re.compile(r"^(\S[^\n]{0,120})\n(([=\-~^\"'*+#`:._])\3{2,})[ \t]*$", re.MULTILINE)
_LEVELS = {"卷": 1, "部": 1, "篇": 1, "编": 1, "集": 1, "章": 2, "回": 2, "节": 3}
_LEVELS |= {"book": 1, "volume": 1, "part": 2, "chapter": 3}


def read(file: SourceFile) -> Extract:
    text, encoding = decode(file, file.read_bytes())
    suffix = file.suffix
    marks: list[tuple[int, int, int, str]] = []
    if suffix != ".log":
        marks += _chapters(text)
    if suffix == ".rst":
        marks = sorted([*marks, *_underlined(text)])
    return Extract(text, _sections(text, marks), {"encoding": encoding} if encoding else {})


def _chapters(text: str) -> list[tuple[int, int, int, str]]:
    """(start, end, level, title) of chapter lines."""
    found = []
    for match in _CHAPTER_ZH.finditer(text):
        title = match.group(1).strip()
        if title[-1] not in "。！？；，,.!?;…”":
            found.append((match.start(1), match.end(1), _LEVELS[match.group(2)], title))
    for match in _CHAPTER_EN.finditer(text):
        # A wrapped line of a paragraph may begin with "Part 2 of": a heading stands between blank lines.
        alone = (
            text[max(match.start() - 2, 0) : match.start()].strip() == ""
            and text[match.end() : match.end() + 2].strip() == ""
        )
        title = match.group(1).strip()
        if alone and title[-1] not in ",;!?":
            found.append((match.start(1), match.end(1), _LEVELS[match.group(2).lower()], title))
    return sorted(found)


def _underlined(text: str) -> Iterator[tuple[int, int, int, str]]:
    """Titles of reStructuredText; its levels are the order in which the marks first appear."""
    order: list[str] = []
    for match in _UNDERLINED.finditer(text):
        title, mark = match.group(1).strip(), match.group(3)
        if len(match.group(2)) < len(title) or not any(char.isalnum() for char in title):
            continue
        if mark not in order:
            order.append(mark)
        yield match.start(), match.end(), 4 + order.index(mark), title


def _sections(text: str, marks: list[tuple[int, int, int, str]]) -> list[Section]:
    """Sections that tile the text: each heading, and the text up to the next."""
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
        sections.append(Section(start, end, heading, kind="heading"))
        at = end
    if at < len(text) or not sections:
        sections.append(Section(at, len(text), heading))
    return sections
