"""The walk over an HTML tree: a loop, not a recursion, as pages nest deeper than Python's stack."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborNode

from indexes.readers.builder import OutlineBuilder, collapse, image_link
from indexes.readers.numerals import html_mark, number_in
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.grid import TablePlace, add_table
from indexes.readers.web.html_nodes import (
    BLOCKS,
    NEVER,
    Attributes,
    deep_text,
    filled_in,
    is_data,
    is_noise,
    left_out_as,
    letters,
    raised_or_lowered,
    rows_of,
    source_of,
    words,
)

_AROUND = {"nav": "navigation block", "aside": "side bar", "form": "form", "footer": "footer", "header": "header"}
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_SURROUNDING_TAGS = words("div section ul ol table p span")
_SURROUNDING = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|navbox|menu|breadcrumbs?|sidebar|footer|cookies?|consent|advert\w*|social|share|"
    r"sharing|pagination|pager|newsletter|subscribe|popup|catlinks|toolbar|topbar)(?=$|[\s_-])",
    re.IGNORECASE,
)
_LIST_STYLE = re.compile(r"list-style(?:-type)?\s*:\s*([\w-]+)")
_LEFT = BLOCKS | {"menu"}  # elements whose end also ends the words before it
_WEIGHED = 500  # blocks checked for links, which takes time for all their content
_TERM = 60  # longest term before its definition, in characters


def mostly_links(node: LexborNode) -> bool:
    """Return whether more than half of the words below the node are links.

    >>> from selectolax.lexbor import LexborHTMLParser
    >>> page = LexborHTMLParser("<p><a>Home</a> or <a>News</a></p><p>It rains: see <a>here</a>.</p>")
    >>> [mostly_links(node) for node in page.css("p")]
    [True, False]
    """
    length = letters(node.text())
    links = sum(letters(link.text()) for link in node.css("a"))
    return links * 2 > length


def within(node: LexborNode, tags: tuple[str, ...]) -> bool:
    """Return whether an element of these tags is around the node.

    >>> from selectolax.lexbor import LexborHTMLParser
    >>> page = LexborHTMLParser("<ul><li><b>plum</b></ul><p><b>pear</b></p>")
    >>> [within(node, ("li",)) for node in page.css("b")]
    [True, False]
    """
    above = node.parent
    while above is not None and above.tag not in tags:
        above = above.parent
    return above is not None


class HtmlWalk:
    """A depth-first walk over a tree; words are collected until a block begins or ends.

    >>> from selectolax.lexbor import LexborHTMLParser
    >>> file, builder = SourceFile("a.html"), OutlineBuilder()
    >>> HtmlWalk(builder, file).run(LexborHTMLParser("<nav>Home</nav><ol><li>It rains.</ol>").root)
    >>> builder.build().text, file.all_notes()
    ('1. It rains.', ['left out: 1 navigation block'])

    Args:
        builder: receives the blocks.
        file: receives the notes.
        named: the page marks its content (``main``), so that everything in it is content.
        lenient: read the surroundings of the content too.
    """

    def __init__(
        self, builder: OutlineBuilder, file: SourceFile, *, named: bool = False, lenient: bool = False
    ) -> None:
        self.builder = builder
        self.file = file
        self.image_base = file.settings.image_base_url
        self.weighed = 0  # blocks checked as surroundings
        self.named = named
        self.lenient = lenient
        self.words: list[str] = []
        self.lists: list[_OpenList] = []
        self.mark = ""  # mark of the list item whose words are next
        self.term = ""  # term of a definition list, waiting for its definition
        self.title: str | None = None
        self.done: set[int] = set()  # parts already read
        self._root = 0

    def run(self, root: LexborNode | None) -> None:
        """Read everything below ``root``."""
        node = root
        end = self._root = root.mem_id if root is not None else 0
        while node is not None:
            tag = node.tag or ""
            if tag == "-text":  # every second node is text, with nothing to enter or leave
                self.words.append(node.text_content or "")
            elif self._enter(node, tag) and (child := node.child) is not None:
                node = child
                continue
            elif tag in _LEFT:
                self._leave(tag)
            while node is not None:
                if node.mem_id == end:
                    node = None
                    break
                if (after := node.next) is not None:
                    node = after
                    break
                node = node.parent
                if node is not None and (tag := node.tag or "") in _LEFT:
                    self._leave(tag)
        self._flush()

    def _enter(self, node: LexborNode, tag: str) -> bool:
        """Process a node; return whether its children must be read too."""
        if tag in NEVER or tag[:1] == "-" or tag == "rp" or (self.done and node.mem_id in self.done):
            return False
        attributes = node.attributes
        if attributes and is_noise(attributes):
            return False
        kind = left_out_as(tag, attributes)
        if not kind and not self.lenient and (tag in _AROUND or (attributes and tag in _SURROUNDING_TAGS)):
            kind = self._surrounds(node, tag, attributes)
        if kind:
            if node.text(strip=True):
                self.file.leave_out(kind)
            return False
        if tag in BLOCKS:
            self._flush()
        if tag in ("ol", "ul", "menu"):
            self.lists.append(_OpenList(node))
        elif tag == "li":
            self.mark = self.lists[-1].next(node) if self.lists else "- "
        elif tag == "br":
            self.words.append("\0")
        else:
            return self._content(node, tag)
        return True

    def _content(self, node: LexborNode, tag: str) -> bool:
        if tag in _HEADINGS:
            self._heading(node)
        elif tag == "img":
            self.words.append(image_link(source_of(node), self.image_base))
        elif tag == "input":
            self.words.append(filled_in(node))
        elif tag in ("sup", "sub"):
            self.words.append(raised_or_lowered(node, "".join(self.words[-3:])))
        elif tag == "pre":
            self._flush()
            self.builder.code(deep_text(node))
        elif tag == "code":
            text = deep_text(node)
            self.words.append(f"`{text}`" if text.strip() and "`" not in text and "\n" not in text else text)
        elif tag == "table" and is_data(node):
            self._flush()
            caption = node.css_first("caption")
            words = collapse(deep_text(caption, self.image_base)) if caption is not None else ""
            add_table(self.builder, rows_of(node, self.image_base, self.file.left_out), TablePlace(caption=words))
        elif tag == "dt":
            self._flush()
            words = collapse(deep_text(node, self.image_base, self.file.left_out))
            if len(words) > _TERM or self.term or _has_more_terms(node):
                return True
            self.term = words.rstrip(":： ")
        else:
            return True
        return False

    def _surrounds(self, node: LexborNode, tag: str, attributes: Attributes) -> str:
        """Return the name of a block around the content for the note; "" for content.

        Inside the content, header, footer, aside and form are content unless they are mostly links. A block with a
        class such as menu is left out only if it is mostly links.
        """
        if node.mem_id == self._root:
            return ""
        if tag in _AROUND:
            if tag == "nav":
                return _AROUND[tag]
            inside = self.named or tag in ("aside", "form") or within(node, ("article", "main"))
            self.weighed += 1
            return "" if inside and (self.weighed >= _WEIGHED or not mostly_links(node)) else _AROUND[tag]
        if self.weighed >= _WEIGHED or not ("class" in attributes or "id" in attributes):
            return ""
        if not _SURROUNDING.search(f"{attributes.get('class') or ''} {attributes.get('id') or ''}"):
            return ""
        self.weighed += 1
        return "navigation block" if mostly_links(node) else ""

    def _heading(self, node: LexborNode) -> None:
        self._flush()
        words = collapse(deep_text(node, self.image_base, self.file.left_out))
        self.builder.heading(int((node.tag or "h6")[1]), words)
        self.title = self.title or words or None

    def _leave(self, tag: str) -> None:
        self._flush()
        if tag == "li":
            self.mark = ""
        elif tag in ("ol", "ul", "menu") and self.lists:
            self.lists.pop()
        elif tag == "dl" and self.term:
            self.builder.paragraph(self.term)
            self.term = ""

    def _flush(self) -> None:
        if not self.words:
            return
        lines = (collapse(line) for line in "".join(self.words).split("\0"))
        text = "\n".join(line for line in lines if line)
        self.words.clear()
        if text:
            if self.term:
                text, self.term = f"{self.term}: {text}", ""
            self.builder.paragraph(self.mark + text, glue="\n" if self.mark else "\n\n")
            self.mark = ""


class _OpenList:
    """An open list and the number of its next item."""

    def __init__(self, node: LexborNode) -> None:
        attributes = node.attributes
        self.form = ""
        self.step = 1
        self.number = 1
        if node.tag != "ol":
            return
        style = _LIST_STYLE.search(attributes.get("style") or "")
        self.form = style.group(1) if style else (attributes.get("type") or "1")
        if "reversed" in attributes:
            self.step = -1
            self.number = sum(1 for item in node.iter() if item.tag == "li")
        self.number = number_in(attributes.get("start"), self.number)

    def next(self, item: LexborNode) -> str:
        """Return the mark of the next item."""
        if self.form in ("", "none", "disc", "circle", "square"):
            return "- "
        self.number = number_in(item.attributes.get("value"), self.number)
        mark = html_mark(self.number, self.form)
        self.number += self.step
        return mark


def _has_more_terms(node: LexborNode) -> bool:
    """Return whether terms share a definition, or it has blocks inside, so that both cannot be on one line."""
    following = node.next
    while following is not None and (following.tag or "").startswith("-"):
        following = following.next
    if following is None or following.tag != "dd":
        return True
    return following.css_first("p, div, ul, ol, dl, table, pre") is not None
