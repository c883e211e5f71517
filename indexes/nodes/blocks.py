"""Divide a document into headings, paragraphs, tables, images and code blocks, each a span of its text.

Headings come from the reader's outline if it has any, else from the lines of the text (``headings.heading_of``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from indexes.nodes.tables import is_rule
from indexes.readers.outline import Section, outline_of
from indexes.text.headings import ARTICLE_LEVEL, article_of, heading_of

if TYPE_CHECKING:
    from llama_index.core.schema import Document

ATOMIC = frozenset(("table", "image", "code"))
IMAGE = re.compile(r"!\[[^\]\n]*\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")  # at any indentation, as in lists and tabs
_TABLE_OPEN = re.compile(r"<table[\s>]", re.IGNORECASE)
_TABLE_CLOSE = re.compile(r"</table\s*>", re.IGNORECASE)


@dataclass(slots=True)
class Block:
    r"""A block ``text[start:end]`` without white space at the ends.

    A heading has a ``level`` (1 is the outermost) and a ``title``; so does a paragraph that begins with an article of a
    law (第三条 甲方应当付款), which is text and a place in the tree.

    >>> [(block.kind, block.level, block.title) for block in text_blocks("第三条 甲方应当付款。\n\n乙方交货。")]
    [('text', 4, '第三条'), ('text', 0, '')]
    """

    start: int
    end: int
    kind: str = "text"
    level: int = 0
    title: str = ""


@dataclass(slots=True)
class Node:
    """A heading with its own blocks (the heading first) and its sub-headings; the root has no heading.

    >>> care = Node(level=1, path=("Care",), own=[Block(0, 6, "heading", 1, "Care")], below=[Node(own=[Block(8, 15)])])
    >>> care.start, care.end
    (0, 15)
    """

    level: int = 0
    path: tuple[str, ...] = ()
    own: list[Block] = field(default_factory=list)
    below: list[Node] = field(default_factory=list)
    chunks: list[Any] | None = None  # its own text, once cut

    @property
    def start(self) -> int:
        return self.own[0].start if self.own else self.below[0].start

    @property
    def end(self) -> int:
        return self.below[-1].end if self.below else self.own[-1].end


def blocks_of(document: Document) -> list[Block]:
    r"""Return the blocks of a document in order; only white space lies between them.

    >>> from llama_index.core.schema import Document
    >>> [block.kind for block in blocks_of(Document(text="# Care\n\nDry it.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"))]
    ['heading', 'text', 'table']
    """
    sections = outline_of(document)
    by_lines = not any(section.kind == "heading" for section in sections)
    blocks = [block for section in sections for block in _of_section(document.text, section, by_lines)]
    return blocks if not by_lines else _ranked(blocks)


def text_blocks(text: str) -> list[Block]:
    r"""Return the blocks of plain or Markdown text.

    >>> text = "# Care\n\nDry it."
    >>> [(block.kind, text[block.start : block.end]) for block in text_blocks(text)]
    [('heading', '# Care'), ('text', 'Dry it.')]
    """
    return _ranked(list(_lines(text, 0, len(text), headings=True)))


def tree_of(blocks: list[Block]) -> Node:
    r"""Return the headings as a tree; text before the first heading belongs to the root.

    >>> root = tree_of(text_blocks("# Care\n\n## Drying\n\nDry it."))
    >>> root.below[0].below[0].path
    ('Care', 'Drying')
    """
    root = Node()
    stack = [root]
    for block in blocks:
        if block.level:
            while len(stack) > 1 and stack[-1].level >= block.level:
                stack.pop()
            node = Node(block.level, (*stack[-1].path, block.title))
            stack[-1].below.append(node)
            stack.append(node)
        stack[-1].own.append(block)
    return root


def _of_section(text: str, section: Section, headings: bool) -> Iterator[Block]:
    if section.kind == "text":
        found = list(_lines(text, section.start, section.end, headings=headings))
        if found and not headings and section.heading and _article_at(text, found[0]) == section.heading[-1]:
            found[0].level, found[0].title = len(section.heading), section.heading[-1]
        yield from found
        return
    start, end = _trimmed(text, section.start, section.end)
    if start < end:
        level = max(len(section.heading), 1) if section.kind == "heading" else 0
        title = section.heading[-1] if section.heading else text[start:end]
        yield Block(start, end, section.kind, level, title if level else "")


def _article_at(text: str, block: Block) -> str | None:
    """Return the article at the beginning of a paragraph, see ``headings.article_of``."""
    return article_of(text[block.start : min(_line_end(text, block.start, block.end), block.start + 80)])


def _lines(text: str, start: int, end: int, *, headings: bool) -> Iterator[Block]:
    """Yield the blocks of a span in one pass over its lines."""
    at = start
    open_from = -1  # start of the current paragraph
    unclosed: dict[str, int] = {}  # fence mark -> length of the shortest unclosed fence

    def paragraph(stop: int) -> Iterator[Block]:
        nonlocal open_from
        if open_from >= 0:
            first, last = _trimmed(text, open_from, stop)
            if first < last:
                block = Block(first, last)
                if headings and (article := _article_at(text, block)):
                    block.level, block.title = ARTICLE_LEVEL, f"chinese\n{article}"
                yield block
            open_from = -1

    while at < end:
        stop = _line_end(text, at, end)
        line = text[at:stop]
        found = _block_at(text, at, stop, end, line, headings, unclosed)
        if found is not None or not line.strip() or (headings and article_of(line)):
            yield from paragraph(at)
        if found is not None:
            yield found
            at = max(_line_end(text, found.end, end) + 1, stop + 1)
            continue
        if line.strip() and open_from < 0:
            open_from = at
        at = stop + 1
    yield from paragraph(end)


def _block_at(
    text: str, at: int, stop: int, end: int, line: str, headings: bool, unclosed: dict[str, int]
) -> Block | None:
    """Return the block, other than a paragraph, that begins with this line."""
    bare = line.strip()
    if not bare:
        return None
    fence = _FENCE.match(line)
    if fence:
        mark = fence.group(1)
        if len(mark) < unclosed.get(mark[0], 1 << 30):
            close = re.compile(rf"^[ \t]*{re.escape(mark[0])}{{{len(mark)},}}[ \t]*\r?$", re.MULTILINE)
            closed = close.search(text, stop + 1, end) if stop < end else None
            if closed:
                return _block(text, at, closed.end(), "code")
            unclosed[mark[0]] = len(mark)
        return None
    if "|" in line:
        below = text[stop + 1 : _line_end(text, stop + 1, end)] if stop < end else ""
        if (bare.startswith("|") and below.lstrip().startswith("|")) or ("|" in below and is_rule(below)):
            return _block(text, at, _rows_end(text, stop, end), "table")
    if "<" in line and "<" not in unclosed and _TABLE_OPEN.search(line):
        closed_at = _html_end(text, at, end)
        if closed_at is not None:
            return _block(text, at, closed_at, "table")
        unclosed["<"] = 0
    if IMAGE.sub("", bare).strip() == "":
        return _block(text, at, stop, "image")
    if headings:
        heading = heading_of(line)
        if heading is not None:
            block = _block(text, at, stop, "heading")
            block.level, block.title = heading.level, f"{heading.form}\n{heading.title}"
            return block
    return None


def _ranked(blocks: list[Block]) -> list[Block]:
    """Rank levels across forms of headings: a form that appears earlier in the document is the outer one."""
    order: dict[str, int] = {}
    for block in blocks:
        if block.level and "\n" in block.title:
            form, _, block.title = block.title.partition("\n")
            block.level += 10 * order.setdefault(form, len(order))
    return blocks


def _rows_end(text: str, stop: int, end: int) -> int:
    """Return the end of the last consecutive line with a bar."""
    while stop < end:
        following = _line_end(text, stop + 1, end)
        if "|" not in text[stop + 1 : following]:
            break
        stop = following
    return stop


def _html_end(text: str, at: int, end: int) -> int | None:
    """Return the end of the line in which an HTML table closes, inner tables counted; None if it does not close."""
    depth, place = 0, at
    while True:
        close = _TABLE_CLOSE.search(text, place, end)
        if close is None:
            return None
        depth += len(_TABLE_OPEN.findall(text, place, close.start())) - 1
        place = close.end()
        if depth <= 0:
            return _line_end(text, place, end)


def _line_end(text: str, at: int, end: int) -> int:
    stop = text.find("\n", at, end) if at < end else -1
    return end if stop < 0 else stop


def _block(text: str, start: int, end: int, kind: str) -> Block:
    if kind == "code":  # the indentation of the first line is part of it
        start, end = start, _trimmed(text, start, end)[1]
        return Block(start, end, kind)
    return Block(*_trimmed(text, start, end), kind)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
