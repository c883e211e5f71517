"""Builder that every reader fills: text and outline grow together, so that the sections always tile the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from indexes.readers.inline import plain
from indexes.readers.outline import Section
from indexes.text.characters import CJK, visible
from indexes.text.headings import ARTICLE_LEVEL, article_of, heading_of

_WITH_QUOTES = f"{CJK}\u2018-\u201d"
_CJK_CHAR = re.compile(f"[{_WITH_QUOTES}]")
_CJK_BREAK = re.compile(f"(?<=[{_WITH_QUOTES}])[ \t]*+[\r\n]\\s*+(?=[{_WITH_QUOTES}])")
_MAYBE_TYPED = re.compile(r"^[ \t　]*(?:第|##+[ \t]*[\d\u4e00-\u9fff][^#\n]{0,80}$|[1-9]\d{0,2}[.．]\d)", re.MULTILINE)
_BELOW = {"markdown": 0, "chinese": 0, "numbered": 3}  # 1.2.3 is below chapters and articles
_NUMBERS = frozenset("第123456789")
_GOES_ON = frozenset("，、（(“《的及和与或依照按据至")  # at the end of a line: the sentence continues
_LINK_BREAKERS = re.compile(r"[\s()<>|]")
_TYPED = 20  # added to the level of a heading found in the text: below all headings of the format
_SPACES = re.compile(r"[^\S\n]+")


@dataclass(slots=True)
class Extract:
    """Content of a file: text, sections that tile it, and metadata such as the title.

    >>> builder = OutlineBuilder()
    >>> builder.paragraph("Dry it.")
    >>> extract = builder.build({"title": "Care"})
    >>> extract.text, extract.metadata["title"]
    ('Dry it.', 'Care')
    """

    text: str
    sections: list[Section]
    metadata: dict[str, Any] = field(default_factory=dict)
    visible: bool = False  # the reader has already removed invisible characters


class OutlineBuilder:
    """Collects headings, paragraphs, tables and code blocks in document order.

    Blocks are separated by a blank line. Paragraphs under the same heading and on the same page form one section.

    >>> builder = OutlineBuilder()
    >>> builder.heading(1, "Care")
    >>> builder.paragraph("Dry it.")
    >>> builder.build().sections[1]
    Section(start=6, end=13, heading=('Care',), page=None, kind='text', place='', caption='')
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._sections: list[Section] = []
        self._path: list[tuple[int, str]] = []
        self.place = ""  # of the blocks added next, see Section

    def enter(self, level: int, title: str) -> None:
        """Begin a heading without adding its words to the text."""
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, plain(title)))

    def heading(self, level: int, title: str, page: int | None = None) -> None:
        """Add a heading of level 0 (outermost, the document's title) or deeper; one without words is ignored."""
        title = " ".join(plain(title).split())
        if title:
            self.enter(level, title)
            self._add(title, "heading", page)

    def paragraph(self, text: str, page: int | None = None, *, glue: str = "\n\n") -> None:
        r"""Add running text, separated by ``glue`` from text before it ("\n" for list items, or across pages).

        A chapter or article of a law alone on its line (第三章 总则, 第五条) is a heading, whatever the format says;
        so are ##3.5 and, below chapters or articles, 1.2.3. An article followed by text on its line joins the heading
        path and begins the text of its section.
        """
        text = text.strip()
        if not _MAYBE_TYPED.search(text):
            self._add(text, "text", page, glue)
            return
        for number, part in enumerate(_by_heading(text)):
            found = heading_of(part) if "\n" not in part else None
            if found is not None and (found.form != "numbered" or self._in_chapters()):
                self.heading(_TYPED + _BELOW[found.form] + found.level, found.title, page)
                continue
            if article := article_of(part):
                self.enter(_TYPED + ARTICLE_LEVEL, article)
            self._add(part, "text", page, "\n" if number else glue)

    def _in_chapters(self) -> bool:
        """Return whether there are chapters, articles or numbered headings above; else 1.2.3 may be a list item."""
        return any(level > _TYPED or (title[:1] in _NUMBERS and heading_of(title)) for level, title in self._path)

    def table(
        self, rows: Sequence[Sequence[str]], page: int | None = None, *, caption: str = "", in_text: bool = False
    ) -> None:
        """Add a table whose first row is its head (empty: without a head).

        Its caption becomes the paragraph before it, unless it is ``in_text`` already.
        """
        caption = " ".join(caption.split())
        text = markdown_table(rows)
        if text and caption and not in_text:
            self.paragraph(caption, page)
        self._add(text, "table", page, caption=caption)

    def code(self, text: str, page: int | None = None) -> None:
        self._add(text.strip("\r\n").rstrip(), "code", page)

    @property
    def last_text(self) -> str:
        """Return the paragraph added last, "" if the last block is not a paragraph."""
        return self._parts[-1] if self._sections and self._sections[-1].kind == "text" else ""

    @property
    def empty(self) -> bool:
        return not self._parts

    def build(self, metadata: dict[str, Any] | None = None) -> Extract:
        return Extract("".join(self._parts), self._sections, metadata or {})

    def leave(self) -> None:
        """Leave all headings (for a new slide, sheet or chapter)."""
        self._path.clear()

    def _add(self, text: str, kind: str, page: int | None, glue: str = "\n\n", caption: str = "") -> None:
        if kind != "code":
            text = plain(text)
        if not text.strip():
            return
        heading = tuple(title for _, title in self._path)
        last = self._sections[-1] if self._sections else None
        continues = last is not None and last.kind == kind == "text" and last.heading == heading
        joins = last is not None and continues and last.page == page and last.place == self.place
        if self._parts:
            glue = glue if continues else "\n\n"
            self._parts.append(glue)
            self._length += len(glue)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        if last is not None:
            # The glue belongs to the previous section, so that sections tile the text.
            end = self._length if joins else start
            self._sections[-1] = replace(last, end=end)
        if not joins:
            self._sections.append(Section(start, self._length, heading, page, kind, self.place, caption))


def _by_heading(text: str) -> Iterator[str]:
    """Split text into headings alone on their lines and articles, each up to the next number."""
    lines = text.split("\n")
    starts = {0, len(lines)}
    for number, line in enumerate(lines):
        if not _MAYBE_TYPED.match(line):
            continue
        if typed_heading(line) and not (number and goes_on(lines[number - 1])):
            starts |= {number, number + 1}
        elif article_of(line):
            starts.add(number)
    return ("\n".join(lines[start:stop]) for start, stop in pairwise(sorted(starts)))


def goes_on(line: str) -> bool:
    """Return whether the sentence of a line continues on the next, which therefore is not a heading.

    >>> goes_on("甲方应当按照"), goes_on("甲方应当付款。")
    (True, False)
    """
    return line.rstrip()[-1:] in _GOES_ON


def typed_heading(line: str) -> bool:
    """Return whether a line reads as a heading without any markup: 第三章 总则, 第五条, ##3.5 附则, 1.2.3 付款.

    >>> [typed_heading(line) for line in ("第三章总则", "##3.5 附则", "#5 is best", "1.2 付款", "第三章很长。")]
    [True, True, False, True, False]
    """
    return _MAYBE_TYPED.match(line) is not None and heading_of(line) is not None


def collapse(text: str) -> str:
    r"""Collapse white space as a browser does: to one blank, and to none for a line break between Chinese characters.

    >>> collapse("今天\n下雨。 It  rains.")
    '今天下雨。 It rains.'
    """
    return " ".join(_CJK_BREAK.sub("", visible(plain(text))).split())


def collapse_lines(text: str) -> str:
    r"""Collapse blanks within lines and remove empty lines.

    >>> collapse_lines("one  two\n\n three")
    'one two\nthree'
    """
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def glue_between(left: str, right: str) -> str:
    """Return the separator of two joined lines: nothing between Chinese characters, else a blank.

    >>> glue_between("今天", "下雨"), glue_between("it", "rains")
    ('', ' ')
    """
    return "" if left and right and _CJK_CHAR.match(left[-1]) and _CJK_CHAR.match(right[0]) else " "


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as a Markdown table; short rows are padded, empty rows left out.

    The first row is the head; a head without words marks a table without one.

    >>> print(markdown_table([["tea", "3"], ["coffee"]]))
    | tea | 3 |
    | --- | --- |
    | coffee |  |
    """
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    head = cells[:1]
    cells = [row for row in cells[1:] if any(row)]
    if (head and any(head[0])) or cells:
        cells = head + cells
    else:
        return ""
    width = max(len(row) for row in cells)
    lines = [_table_line([*row, *[""] * (width - len(row))]) for row in cells]
    if len(lines) > 1:
        lines.insert(1, _table_line(["---"] * width))
    return "\n".join(lines)


def _table_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def image_link(source: str, base_url: str | None) -> str:
    """Return ``![image](BASE_URL/source)``; "" without a base, and for pictures embedded in the source.

    An absolute address (``https://...``) stays unchanged.

    >>> image_link("../pics/plan.png", "https://example.org")
    '![image](https://example.org/pics/plan.png)'
    """
    source = source.strip()
    if base_url is None or not source or source.lower().startswith(("data:", "blob:", "javascript:", "cid:")):
        return ""
    if not re.match(r"(?:[a-z][a-z\d+.-]*:)?//", source, re.IGNORECASE):
        while source.startswith(("./", "../", "/")):
            source = source.partition("/")[2]
        source = f"{base_url.rstrip('/')}/{source}"
    return f"![image]({_LINK_BREAKERS.sub(lambda match: quote(match.group()), source)})"
