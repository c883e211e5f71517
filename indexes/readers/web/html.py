"""HTML (.html .htm .xhtml): headings, paragraphs, lists, tables and code of the page's main content.

The content is what ``main`` or a sole ``article`` holds, else the body. Left out: scripts, styles, hidden parts, skip
links, and what surrounds the content: nav, aside, footer, form, header (of a header inside article or main the headings
stay), and short or link-laden blocks whose class or id says menu, sidebar, breadcrumb, cookie and the like. Where
nothing would be left, as in pages that are one big form, the surroundings are read too. The walk is a loop, not a
recursion: pages nest deeper than Python's stack.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from indexes.readers.builder import Extract, OutlineBuilder, collapse, image_link
from indexes.readers.plain.decode import decode
from indexes.readers.source_file import SourceFile
from indexes.readers.web.html_nodes import (
    BLOCKS,
    NEVER,
    deep_text,
    has_side_heads,
    is_data,
    is_hidden,
    rows_of,
    source_of,
    words,
)

_AROUND = frozenset(("nav", "aside", "form", "footer", "header"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_SURROUNDING_TAGS = words("div section ul ol table p span")
_SURROUNDING = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|navbox|menu|breadcrumbs?|sidebar|footer|cookies?|consent|advert\w*|social|share|"
    r"sharing|pagination|pager|newsletter|subscribe|popup|catlinks|toolbar|topbar)(?=$|[\s_-])",
    re.IGNORECASE,
)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]{2,40})")


def read(file: SourceFile) -> Extract:
    data = file.read_bytes()
    declared = _META_CHARSET.search(data[:4096]) or _XML_ENCODING.match(data)
    charset = declared.group(1).decode("ascii").lower() if declared else None
    text, encoding = decode(file, data, charset)
    builder = OutlineBuilder()
    tree = LexborHTMLParser(text)
    base = file.settings.image_base_url
    first_heading = _Walk(builder, base, lenient=False).run(_content(tree))
    if builder.empty:
        first_heading = _Walk(builder, base, lenient=True).run(tree.root)
    named = tree.css_first("title")
    title = collapse(named.text()) if named else ""
    return builder.build({"title": title or first_heading, "encoding": encoding})


def add_html(builder: OutlineBuilder, fragment: str, file: SourceFile) -> None:
    """Put the content of an HTML fragment (a Markdown file's HTML block) into ``builder``."""
    _Walk(builder, file.settings.image_base_url, lenient=True).run(LexborHTMLParser(fragment).root)


def add_page(builder: OutlineBuilder, text: str, file: SourceFile, *, title: str = "") -> None:
    """Put a page of a book into ``builder``, under ``title`` where it has no heading of its own."""
    tree = LexborHTMLParser(text)
    if title and tree.css_first("h1, h2, h3, h4, h5, h6") is None:
        builder.enter(1, title)
    _Walk(builder, file.settings.image_base_url, lenient=True).run(tree.body)


def _content(tree: LexborHTMLParser) -> LexborNode | None:
    """The element that holds the page's content, if the page names one and it holds a good part of its words."""
    body = tree.body
    if body is None:
        return tree.root
    tree.strip_tags(["script", "style", "noscript", "template"])
    whole = len(body.text())
    for selector, share in (("main, [role=main]", 0.2), ("article", 0.4)):
        found = tree.css(selector)
        if 0 < len(found) <= 20:
            best = max(found, key=lambda node: len(node.text()))
            if len(best.text()) >= share * whole:
                return best
    return body


class _Walk:
    """Depth-first over the tree; words gather until a block begins or ends."""

    def __init__(self, builder: OutlineBuilder, image_base: str | None, *, lenient: bool) -> None:
        self.builder = builder
        self.image_base = image_base
        self.weighed = 0  # blocks that were looked at as surroundings
        self.lenient = lenient
        self.words: list[str] = []
        self.mark = ""  # of the list item whose words come next
        self.title: str | None = None

    def run(self, root: LexborNode | None) -> str | None:
        """Read everything below ``root``; returns the first heading."""
        node = root
        end = root.mem_id if root is not None else 0
        while node is not None:
            down = self._enter(node)
            if down and node.child is not None:
                node = node.child
                continue
            while node is not None:
                self._leave(node)
                if node.mem_id == end:
                    node = None
                    break
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
        if tag in NEVER or tag.startswith("-") or is_hidden(node):
            return False
        if tag in _AROUND and not self.lenient:
            if tag == "header" and _within_content(node):
                for heading in node.css("h1, h2, h3, h4, h5, h6"):
                    self._heading(heading)
            return False
        if not self.lenient and tag in _SURROUNDING_TAGS and self._surrounds(node):
            return False
        if tag in _HEADINGS:
            self._heading(node)
            return False
        if tag == "img":
            self.words.append(image_link(source_of(node), self.image_base))
            return False
        if tag == "pre":
            self._flush()
            self.builder.code(deep_text(node))
            return False
        if tag == "table" and is_data(node):
            self._flush()
            caption = node.css_first("caption")
            words = collapse(deep_text(caption, self.image_base)) if caption is not None else ""
            rows = rows_of(node, self.image_base)
            if not words and len(rows) > 1 and sum(map(bool, rows[0])) == 1 < max(sum(map(bool, row)) for row in rows):
                words = next(cell for cell in rows.pop(0) if cell)  # a title over all columns
            if has_side_heads(node):
                rows.insert(0, [""])
            self.builder.table(rows, caption=words)
            return False
        if tag in BLOCKS:
            self._flush()
        if tag == "li":
            self.mark = "- "
        elif tag == "br":
            self.words.append("\0")
        elif tag == "code":
            text = deep_text(node)
            self.words.append(f"`{text}`" if text.strip() and "`" not in text and "\n" not in text else text)
            return False
        return True

    def _surrounds(self, node: LexborNode) -> bool:
        """A menu, sidebar or banner by its class or id, and by what is in it: few words, or mostly links."""
        attributes = node.attributes
        if not attributes or self.weighed >= 500:
            return False
        if not _SURROUNDING.search(f"{attributes.get('class') or ''} {attributes.get('id') or ''}"):
            return False
        self.weighed += 1
        length = len(node.text())
        links = sum(len(link.text()) for link in node.css("a"))
        return length < 200 or links * 2 > length

    def _heading(self, node: LexborNode) -> None:
        self._flush()
        words = collapse(deep_text(node, self.image_base))
        self.builder.heading(int((node.tag or "h6")[1]), words)
        self.title = self.title or words or None

    def _leave(self, node: LexborNode) -> None:
        if node.tag in BLOCKS:
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


def _within_content(node: LexborNode) -> bool:
    above = node.parent
    while above is not None:
        if above.tag in ("article", "main"):
            return True
        above = above.parent
    return False
