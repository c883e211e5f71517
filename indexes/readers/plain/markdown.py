"""Markdown (.md .markdown): the readable text, with heading path, tables and code blocks.

The document's text is what a reader sees, not the source: links keep their words without the address, pictures keep
their description (or become links, see ``read.image_base_url``), comments and tags are removed, hard-wrapped lines are
joined. Offsets refer to that text. Inline code keeps its backticks, list items their marks. Front matter becomes
metadata. MkDocs blocks (``!!! note``, ``=== "Tab"``) are unindented first, as they would be taken for code.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from indexes.readers.builder import Extract, OutlineBuilder, glue_between, goes_on, image_link, typed_heading
from indexes.readers.decode import decode
from indexes.readers.front_matter import split_front_matter
from indexes.readers.inline import lowered, raised
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.cells import Row
from indexes.readers.tables.head import form_below_head
from indexes.readers.web.html import add_html
from indexes.text.headings import article_of
from indexes.text.records import is_record_line

_MKDOCS = re.compile(r"(===[ \t]+[!+]?\"[^\"]*\"|(?:!!!|\?\?\?\+?)[ \t]+[\w -]++(?:\"([^\"]*)\")?)[ \t]*$")
_FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})")
_NO_BLANK = re.compile(r"([ ]{0,3}(?:#{2,6}(?=[^\s#!])|#(?=[\d\u4e00-\u9fff][^#\n]{0,80}$)))")
_INCLUDES = re.compile(r"(?:\s*+\{\{#[^{}]*\}\})*+\s*+")  # mdBook inserts a file here, which we do not have
_DEEP_QUOTES = re.compile(r"^((?:[ \t]{0,3}>){10})(?:[ \t]{0,3}>)+", re.MULTILINE)  # the parser stops at 100 levels
_IMAGE_TAG = re.compile(r"<img\b[^>]*?\bsrc\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_INLINE_TAG = re.compile(r"<(/?)(sup|sub|s|strike|del|rt|rp)(?:\s[^>]*)?>", re.IGNORECASE)
_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)


def read(file: SourceFile) -> Extract:
    r"""Read a Markdown file.

    >>> extract = read(SourceFile("a.md", data=b"# Care\n\nDry **it** in the [shade](x.md)."))
    >>> extract.text, extract.metadata["title"]
    ('Care\n\nDry it in the shade.', 'Care')
    """
    text, encoding = decode(file, file.read_bytes())
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text, front, fault = split_front_matter(text)
    if fault is not None:
        file.note(fault)
    builder = OutlineBuilder()
    first_heading = add_markdown(builder, text, file)
    return builder.build({**front, "title": front.get("title") or first_heading, "encoding": encoding})


def add_markdown(builder: OutlineBuilder, text: str, file: SourceFile) -> str | None:
    r"""Add Markdown text to ``builder`` and return its first heading.

    >>> builder = OutlineBuilder()
    >>> add_markdown(builder, "# Care\n\nDry it.", SourceFile("a.md"))
    'Care'
    >>> builder.build().sections[1].heading
    ('Care',)
    """
    tokens = (
        MarkdownIt("commonmark", {"maxNesting": 100})
        .enable(["table", "strikethrough"])
        .parse(_with_blanks(_unindent_mkdocs(_DEEP_QUOTES.sub(r"\1", text))))
    )
    return _MarkdownWalk(builder, file).run(tokens)


def _with_blanks(text: str) -> str:
    """Insert the blank that the standard requires after # (##3.5, ##安装); #话题# and #tag stay words."""
    if "#" not in text:
        return text
    fence = ""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if mark and (not fence or (mark.group(1)[0] == fence[0] and len(mark.group(1)) >= len(fence))):
            fence = "" if fence else mark.group(1)
        elif not fence and _NO_BLANK.match(line):
            lines[number] = _NO_BLANK.sub(r"\1 ", line)
    return "\n".join(lines)


class _MarkdownWalk:
    """One pass over the tokens; the open lists determine the mark and indentation of a paragraph."""

    def __init__(self, builder: OutlineBuilder, file: SourceFile) -> None:
        self.builder = builder
        self.file = file
        self.lists: list[int | None] = []  # next number of each open list, None for bullets
        self.mark: str | None = None  # mark of the list item whose first paragraph is next
        self.title: str | None = None

    def run(self, tokens: list[Token]) -> str | None:
        rows: list[list[str]] | None = None
        level = 0
        for token in tokens:
            kind = token.type
            if kind == "inline":
                words = _inline_text(token, self.file)
                if rows is not None:
                    rows[-1].append(words.replace("\n", " "))
                elif level:
                    self.builder.heading(level, words)
                    self.title = self.title or " ".join(words.split())
                else:
                    self._paragraph(words)
            elif kind == "heading_open":
                level = int(token.tag[1])
            elif kind == "heading_close":
                level = 0
            elif kind in ("fence", "code_block"):
                if not _INCLUDES.fullmatch(token.content):
                    self.builder.code(token.content)
                self.mark = None
            elif kind == "html_block":
                add_html(self.builder, token.content, self.file)
            elif kind == "table_open":
                rows = []
            elif kind == "tr_open" and rows is not None:
                rows.append([])
            elif kind == "table_close" and rows is not None:
                self._table(rows)
                rows = None
            else:
                self._list_token(token)
        return self.title

    def _table(self, rows: list[list[str]]) -> None:
        """Add a table. Markdown tables always have a head, so that forms of names and values have a false one."""
        pairs = form_below_head([Row(0, cells) for cells in rows])
        self.builder.table(rows if pairs is None else [["", ""], *map(list, pairs)])

    def _list_token(self, token: Token) -> None:
        if token.type == "bullet_list_open":
            self.lists.append(None)
        elif token.type == "ordered_list_open":
            self.lists.append(int(token.attrs.get("start", 1)))
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            self.lists.pop()
        elif token.type == "list_item_open":
            number = self.lists[-1]
            self.mark = "- " if number is None else f"{number}. "
            if number is not None:
                self.lists[-1] = number + 1

    def _paragraph(self, words: str) -> None:
        if self.mark is None:
            self.builder.paragraph(words)
            return
        self.builder.paragraph(self.mark + words, glue="\n")
        self.mark = None


def _inline_text(token: Token, file: SourceFile) -> str:
    """Return the words of an inline token without addresses, tags and emphasis marks, with wrapped lines joined.

    Raised and lowered text is marked as in all formats; struck-through text and readings of characters are left out and
    counted.
    """
    parts: list[str] = []
    open_tag, held = "", 0  # open tag (sup, sub or one left out); start of its words in ``parts``
    joins, begun = False, 0  # whether the next piece begins a line; start of the line in ``parts``
    for child in token.children or []:
        if child.type == "softbreak":
            joins = True
            continue
        if joins:
            above = "".join(parts[begun:])
            # Separate lines, however the paragraph is wrapped.
            begins = article_of(child.content) or (typed_heading(child.content) and not goes_on(above))
            begins = begins or (is_record_line(child.content) and is_record_line(above))
            if parts and (begins or typed_heading(above)):
                parts.append("\n")
                joins, begun = False, len(parts)
        if child.type in ("s_open", "s_close"):
            name, closes = "s", child.type == "s_close"
        elif child.type == "html_inline" and (tag := _INLINE_TAG.match(child.content)):
            name, closes = tag.group(2).lower(), bool(tag.group(1))
        else:
            name, closes = "", False
        if name:
            if not closes and not open_tag:
                open_tag, held = name, len(parts)
            elif closes and name == open_tag:
                parts[held:] = [_closed(file, name, "".join(parts[:held]), "".join(parts[held:]))]
                open_tag = ""
            continue
        piece = _piece(child, file.settings.image_base_url)
        if not piece:
            continue
        if joins:
            parts.append(glue_between(parts[-1] if parts and parts[-1] else "", piece))
            joins = False
        parts.append(piece)
    return "".join(parts).strip()


def _closed(file: SourceFile, name: str, before: str, words: str) -> str:
    """Return the plain form of the words in an inline tag."""
    if name == "sup":
        return raised(before, words)
    if name == "sub":
        return lowered(before, words)
    if words.strip():
        file.leave_out("reading of characters" if name in ("rt", "rp") else "struck-through passage")
    return ""


def _piece(child: Token, image_base_url: str | None) -> str:
    if child.type == "code_inline":
        return child.content if "`" in child.content else f"`{child.content}`"
    if child.type == "hardbreak" or (child.type == "html_inline" and _BREAK_TAG.fullmatch(child.content)):
        return "\n"
    if child.type == "image":
        return image_link(str(child.attrs.get("src", "")), image_base_url) or child.content
    if child.type == "html_inline" and (source := _IMAGE_TAG.match(child.content)):
        return image_link(source.group(1), image_base_url)
    return child.content if child.type in ("text", "text_special") else ""


def _unindent_mkdocs(text: str) -> str:
    """Unindent MkDocs tabs and admonitions: a title becomes a paragraph, the mark of a tab is removed."""
    if not re.search(r"^[ \t]*(?:===|!!!|\?\?\?)\+? ", text, re.MULTILINE):
        return text
    lines: list[str] = []
    open_at: list[int] = []  # indentations of the open blocks
    fence = ""
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip(" "))
        if line.strip() and not fence:
            while open_at and indent < open_at[-1] + 4:
                open_at.pop()
        line = line[min(indent, 4 * len(open_at)) :]
        bare = line.strip()
        if fence:
            fence = "" if bare.startswith(fence) and not bare.strip(fence[0]) else fence
        elif bare.startswith(("```", "~~~")):
            fence = bare[: len(bare) - len(bare.lstrip(bare[0]))]
        elif match := _MKDOCS.match(bare):
            open_at.append(indent)
            lines += ["", match.group(2) or "", ""]
            continue
        lines.append(line)
    return "\n".join(lines)
