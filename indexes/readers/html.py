"""HTML (.html .htm): headings, paragraphs, lists, tables and code of the page's body.

Left out: scripts, styles, hidden parts, skip links, and what surrounds the content: nav, aside, footer, form and header
(of a header inside article or main, the headings stay). Where nothing would be left, as in pages that are one big form,
the surroundings are read too. The walk is a loop, not a recursion: pages nest deeper than Python's stack.
"""

from __future__ import annotations

import re
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from indexes.readers.builder import Extract, OutlineBuilder, collapse
from indexes.readers.decode import decode


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER = _words(
    "script style noscript template svg canvas iframe object select button datalist head title math audio video"
)
_AROUND = frozenset(("nav", "aside", "form", "footer", "header"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_BLOCKS = _words(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form "
    "header hr html legend li main nav ol p section summary table tbody td tfoot th thead tr ul"
)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_NOISE = re.compile(
    r"\b(?:headerlink|hash-link|mw-editsection|anchor-?link|(?:mw-)?jump-link|skip-?(?:to|link))", re.IGNORECASE
)
_CHINESE = frozenset(("gb2312", "gbk", "gb_2312-80", "x-gbk"))


def read(path: Path) -> Extract:
    data = path.read_bytes()
    declared = _META_CHARSET.search(data[:4096])
    charset = declared.group(1).decode("ascii").lower() if declared else None
    text, encoding = decode(path, data, "gb18030" if charset in _CHINESE else charset)
    tree = LexborHTMLParser(text)
    builder = OutlineBuilder()
    first_heading = _Walk(builder, lenient=False).run(tree.root)
    if builder.empty:
        first_heading = _Walk(builder, lenient=True).run(tree.root)
    named = tree.css_first("title")
    title = collapse(named.text()) if named else ""
    return builder.build({"title": title or first_heading, "encoding": encoding})


def add_html(builder: OutlineBuilder, fragment: str) -> None:
    """Put the content of an HTML fragment (a Markdown file's HTML block) into ``builder``."""
    _Walk(builder, lenient=True).run(LexborHTMLParser(fragment).root)


class _Walk:
    """Depth-first over the tree; words gather until a block begins or ends."""

    def __init__(self, builder: OutlineBuilder, *, lenient: bool) -> None:
        self.builder = builder
        self.lenient = lenient
        self.words: list[str] = []
        self.mark = ""  # of the list item whose words come next
        self.title: str | None = None

    def run(self, root: LexborNode | None) -> str | None:
        """Read everything below ``root``; returns the first heading."""
        node = root
        while node is not None:
            down = self._enter(node)
            if down and node.child is not None:
                node = node.child
                continue
            while node is not None:
                self._leave(node)
                if node.next is not None:
                    node = node.next
                    break
                node = node.parent
        self._flush()
        return self.title

    def _enter(self, node: LexborNode) -> bool:
        """Take what the node gives; True: its children are to be read too."""
        tag = node.tag or ""
        if tag == "-text":
            self.words.append(node.text_content or "")
            return False
        if tag in _NEVER or tag.startswith("-") or _hidden(node):
            return False
        if tag in _AROUND and not self.lenient:
            if tag == "header" and _within_content(node):
                for heading in node.css("h1, h2, h3, h4, h5, h6"):
                    self._heading(heading)
            return False
        if tag in _HEADINGS:
            self._heading(node)
            return False
        if tag == "pre":
            self._flush()
            self.builder.code(_deep_text(node))
            return False
        if tag == "table" and _is_data(node):
            self._flush()
            self.builder.table(_rows(node))
            return False
        if tag in _BLOCKS:
            self._flush()
        if tag == "li":
            self.mark = "- "
        elif tag == "br":
            self.words.append("\0")
        elif tag == "code":
            text = _deep_text(node)
            self.words.append(f"`{text}`" if text.strip() and "`" not in text and "\n" not in text else text)
            return False
        return True

    def _heading(self, node: LexborNode) -> None:
        self._flush()
        words = collapse(_deep_text(node))
        self.builder.heading(int((node.tag or "h6")[1]), words)
        self.title = self.title or words or None

    def _leave(self, node: LexborNode) -> None:
        if node.tag in _BLOCKS:
            self._flush()
        if node.tag == "li":
            self.mark = ""

    def _flush(self) -> None:
        if not self.words:
            return
        lines = (collapse(line) for line in "".join(self.words).split("\0"))
        text = "\n".join(line for line in lines if line)
        self.words.clear()
        if text:
            self.builder.paragraph(self.mark + text, glue="\n" if self.mark else "\n\n")
            self.mark = ""


def _hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") == "navigation"
        or "display:none" in style
        or _NOISE.search(attributes.get("class") or "") is not None
    )


def _within_content(node: LexborNode) -> bool:
    above = node.parent
    while above is not None:
        if above.tag in ("article", "main"):
            return True
        above = above.parent
    return False


def _is_data(table: LexborNode) -> bool:
    """A table of data, not one that lays out a page: no headings, code blocks or tables in it."""
    return table.css_first("table table, h1, h2, h3, h4, h5, h6, pre") is None


def _rows(table: LexborNode) -> list[list[str]]:
    rows = []
    caption = table.css_first("caption")
    if caption is not None:
        rows.append([collapse(_deep_text(caption))])
    for row in table.css("tr"):
        cells: list[str] = []
        cell = row.child
        while cell is not None:
            if cell.tag in ("td", "th"):
                cells.append(collapse(_deep_text(cell)))
                span = cell.attributes.get("colspan") or "1"
                cells += [""] * (min(int(span), 50) - 1 if span.isdecimal() else 0)
            cell = cell.next
        rows.append(cells)
    return rows


def _deep_text(node: LexborNode) -> str:
    """All words below a node, without hidden parts; blocks and <br> end lines."""
    parts: list[str] = []
    below = node.child
    while below is not None:
        tag = below.tag or ""
        if tag == "-text":
            parts.append(below.text_content or "")
        elif tag == "br":
            parts.append("\n")
        skip = tag in _NEVER or (not tag.startswith("-") and _hidden(below))
        if not skip and below.child is not None:
            below = below.child
            continue
        while below is not None and below.mem_id != node.mem_id:
            if below.tag in _BLOCKS:
                parts.append("\n")
            if below.next is not None:
                below = below.next
                break
            below = below.parent
        if below is None or below.mem_id == node.mem_id:
            break
    return "".join(parts)
