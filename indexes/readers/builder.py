"""What every reader fills: text and outline grow together, so that the sections always tile the text."""

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
_BELOW = {"markdown": 0, "chinese": 0, "numbered": 3}  # 1.2.3 stands below chapters and articles
_NUMBERS = frozenset("第123456789")
_GOES_ON = frozenset("，、（(“《的及和与或依照按据至")  # at a line's end: what follows is the rest of the sentence
_LINK_BREAKERS = re.compile(r"[\s()<>|]")
_TYPED = 20  # added to the level of a heading that stands in the text only: below every heading of the format itself
_SPACES = re.compile(r"[^\S\n]+")


@dataclass(slots=True)
class Extract:
    """What a reader found in a file: text, sections that tile it, and its own metadata (title and the like)."""

    text: str
    sections: list[Section]
    metadata: dict[str, Any] = field(default_factory=dict)
    visible: bool = False  # the reader has taken out the characters that nobody sees


class OutlineBuilder:
    """Collects headings, paragraphs, tables and code blocks in document order.

    Blocks are parted by a blank line. Paragraphs under the same heading and on the same page make one section.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._sections: list[Section] = []
        self._path: list[tuple[int, str]] = []
        self.place = ""  # of what is added next, see Section

    def enter(self, level: int, title: str) -> None:
        """Stand under a heading from here on, without putting its words into the text."""
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, plain(title)))

    def heading(self, level: int, title: str, page: int | None = None) -> None:
        """A heading of level 0 (outermost, a document's title) and deeper. Without words it is ignored."""
        title = " ".join(plain(title).split())
        if title:
            self.enter(level, title)
            self._add(title, "heading", page)

    def paragraph(self, text: str, page: int | None = None, *, glue: str = "\n\n") -> None:
        r"""Running text. ``glue`` is put before it where it goes on from text ("\n" for list items, or over a page).

        A chapter or article of a law alone on its line (第三章 总则, 第五条) is a heading, whatever the format says of
        it, and so are ##3.5 and, below chapters or articles, 1.2.3. An article with text behind it becomes part of the
        heading path, and begins the text of that section.
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
        """Whether chapters, articles or numbered headings stand above: elsewhere 1.2.3 may be the item of a list."""
        return any(level > _TYPED or (title[:1] in _NUMBERS and heading_of(title)) for level, title in self._path)

    def table(
        self, rows: Sequence[Sequence[str]], page: int | None = None, *, caption: str = "", in_text: bool = False
    ) -> None:
        """A table whose first row is its head (empty: it has none).

        Its caption becomes the paragraph before it, if it is not ``told`` there.
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
        """The paragraph added last, "" if something else came last."""
        return self._parts[-1] if self._sections and self._sections[-1].kind == "text" else ""

    @property
    def empty(self) -> bool:
        return not self._parts

    def build(self, metadata: dict[str, Any] | None = None) -> Extract:
        return Extract("".join(self._parts), self._sections, metadata or {})

    def leave(self) -> None:
        """Stand under no heading any more (a new slide, sheet or chapter)."""
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
            # The glue belongs to the section before it, so that sections tile the text.
            end = self._length if joins else start
            self._sections[-1] = replace(last, end=end)
        if not joins:
            self._sections.append(Section(start, self._length, heading, page, kind, self.place, caption))


def _by_heading(text: str) -> Iterator[str]:
    """The text in parts: headings alone on their lines, and each article from its number to the next."""
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
    """Whether the sentence of a line goes on in the next, so that no heading can stand there."""
    return line.rstrip()[-1:] in _GOES_ON


def typed_heading(line: str) -> bool:
    """Whether a line that no format calls a heading is one: 第三章 总则, 第五条, ##3.5 附则, 1.2.3 付款.

    >>> [typed_heading(line) for line in ("第三章总则", "##3.5 附则", "#5 is best", "1.2 付款", "第三章很长。")]
    [True, True, False, True, False]
    """
    return _MAYBE_TYPED.match(line) is not None and heading_of(line) is not None


def collapse(text: str) -> str:
    """White space as a browser shows it: one blank, and none where a line break stands between Chinese characters."""
    return " ".join(_CJK_BREAK.sub("", visible(plain(text))).split())


def collapse_lines(text: str) -> str:
    """Blanks collapsed within lines; the line breaks themselves stay, empty lines go."""
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def glue_between(left: str, right: str) -> str:
    """What stands between two joined lines: nothing between Chinese characters, else a blank."""
    return "" if left and right and _CJK_CHAR.match(left[-1]) and _CJK_CHAR.match(right[0]) else " "


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table. Ragged rows are filled up, empty rows left out.

    The first row is the head; one without words stands for a table that has none.
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
    """``![image](BASE_URL/source)``; "" without a base, and for pictures that are written out in the source itself.

    An address of its own (``https://...``) stays as it is.
    """
    source = source.strip()
    if base_url is None or not source or source.lower().startswith(("data:", "blob:", "javascript:", "cid:")):
        return ""
    if not re.match(r"(?:[a-z][a-z\d+.-]*:)?//", source, re.IGNORECASE):
        while source.startswith(("./", "../", "/")):
            source = source.partition("/")[2]
        source = f"{base_url.rstrip('/')}/{source}"
    return f"![image]({_LINK_BREAKERS.sub(lambda match: quote(match.group()), source)})"
