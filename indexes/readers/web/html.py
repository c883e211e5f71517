"""HTML (.html .htm .xhtml): headings, paragraphs, lists, tables and code of the page's main content.

The content is ``main`` or a single ``article``, else the body. Inside it everything is read except scripts, styles,
hidden and struck-through parts, navigation, and blocks that are mostly links. The surroundings are left out: nav,
footer, header (unless it has the page's only h1), and in pages with a marked content everything else. A note counts
what was left out. If nothing would remain, the surroundings are read too.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from indexes.display import counted
from indexes.readers.builder import Extract, OutlineBuilder, collapse
from indexes.readers.decode import decode
from indexes.readers.source_file import SourceFile
from indexes.readers.web.html_nodes import letters
from indexes.readers.web.html_walk import HtmlWalk, mostly_links, within

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]{2,40})")


def read(file: SourceFile) -> Extract:
    r"""Read a web page.

    >>> page = b"<title>The mill</title><nav><a href='/'>Home</a></nav><main><h1>Care</h1><p>Dry it.</p></main>"
    >>> extract = read(SourceFile("a.html", data=page))
    >>> extract.text, extract.metadata["title"]
    ('Care\n\nDry it.', 'The mill')
    """
    data = file.read_bytes()
    declared = _META_CHARSET.search(data[:4096]) or _XML_ENCODING.match(data)
    charset = declared.group(1).decode("ascii").lower() if declared else None
    text, encoding = decode(file, data, charset)
    builder = OutlineBuilder()
    tree = LexborHTMLParser(text)
    content, around = _content(tree)
    walk = HtmlWalk(builder, file, named=content is not None and content.tag != "body")
    head = _own_header(tree, content)
    if head is not None:
        around -= _length(head)
        walk.run(head)
        walk.done.add(head.mem_id)
    walk.run(content)
    if builder.empty:
        file.left_out.clear()
        walk, around = HtmlWalk(builder, file, lenient=True), 0
        walk.run(tree.root)
    if around > 0:
        file.note(f"{counted(around, 'character')} around its main content were left out")
    named = tree.css_first("title")
    title = collapse(named.text()) if named else ""
    return builder.build({"title": title or walk.title, "encoding": encoding})


def add_html(builder: OutlineBuilder, fragment: str, file: SourceFile) -> None:
    """Add an HTML fragment (an HTML block of a Markdown file) to ``builder``.

    >>> builder = OutlineBuilder()
    >>> add_html(builder, "<p>It <b>rains</b>.<p hidden>Never.", SourceFile("a.md"))
    >>> builder.build().text
    'It rains.'
    """
    HtmlWalk(builder, file, lenient=True).run(LexborHTMLParser(fragment).root)


def add_page(builder: OutlineBuilder, text: str, file: SourceFile, *, title: str = "") -> None:
    """Add a page of a book to ``builder``, with ``title`` if it has no heading.

    >>> builder = OutlineBuilder()
    >>> add_page(builder, "<body><p>It rains.</p></body>", SourceFile("a.epub"), title="Weather")
    >>> builder.build().sections[-1].heading
    ('Weather',)
    """
    tree = LexborHTMLParser(text)
    if title and tree.css_first("h1, h2, h3, h4, h5, h6") is None:
        builder.enter(1, title)
    HtmlWalk(builder, file, lenient=True).run(tree.body)


def _content(tree: LexborHTMLParser) -> tuple[LexborNode | None, int]:
    """Return the element with the page's content, if it is marked and has a good part of the words.

    Returns:
        The element, and the number of characters outside it.
    """
    body = tree.body
    if body is None:
        return tree.root, 0
    tree.strip_tags(["script", "style", "noscript", "template"])
    mains = tree.css("main, [role=main]")
    articles = [] if mains else [node for node in tree.css("article") if not within(node, ("article",))]
    found = mains or (articles if len(articles) == 1 else [])
    if 0 < len(found) <= 20:
        whole = _length(body)
        length, best = max(((_length(node), node) for node in found), key=lambda item: item[0])
        if length >= (0.2 if mains else 0.4) * whole:
            return best, whole - length
    return body, 0


def _own_header(tree: LexborHTMLParser, content: LexborNode | None) -> LexborNode | None:
    """Return the page's header if it has the only h1 of the page, which is then the title of the content."""
    titles = tree.css("h1")
    if len(titles) != 1 or content is None:
        return None
    above = titles[0].parent
    while above is not None and above.tag != "header":
        if above.mem_id == content.mem_id and content.tag != "body":
            return None
        above = above.parent
    if above is None or mostly_links(above) or within(above, ("main", "article")):
        return None
    return above


def _length(node: LexborNode) -> int:
    return letters(node.text())
