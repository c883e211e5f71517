"""Single HTML elements: their words, whether they are hidden, the rows of a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from indexes.readers.builder import collapse, image_link
from indexes.readers.inline import lowered, raised
from indexes.readers.tables.cells import Cell, Row, spread


def words(text: str) -> frozenset[str]:
    """Return the set of words of a text.

    >>> sorted(words("ul ol li"))
    ['li', 'ol', 'ul']
    """
    return frozenset(text.split())


def letters(text: str) -> int:
    """Return the length of a text without white space.

    >>> letters("it rains")
    7
    """
    return len(text) - sum(map(text.count, _WHITE))


_WHITE = " \n\t\r\f\u00a0\u3000"
_SMALL = 1000  # characters up to which a table with inner tables is data
_BOLD = words("b strong p div span font")  # elements around the words of a bold cell
_TICKED = words("checkbox radio")
_TYPED_IN = words("text number date datetime-local month time email tel url")
Attributes = dict[str, str | None]
STRUCK = "struck-through passage"
NEVER = words(
    "script style noscript template svg canvas iframe object select button datalist head title math audio video"
)
BLOCKS = words(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form "
    "header hr html legend li main nav ol p section summary table tbody td tfoot th thead tr ul"
)
_LEFT_OUT = dict.fromkeys(("s", "strike", "del"), STRUCK) | dict.fromkeys(("rt", "rtc"), "reading of characters")
_HIDING = frozenset(("style", "hidden", "aria-hidden", "role"))
_NOISE = re.compile(
    r"\b(?:headerlink|hash-link|mw-editsection|anchor-?link|(?:mw-)?jump-link|skip-?(?:to|link))", re.IGNORECASE
)


def is_noise(attributes: Attributes) -> bool:
    """Return whether a link serves navigation only: to the heading itself, to the content, to an editor.

    >>> is_noise({"class": "headerlink"}), is_noise({"class": "external"}), is_noise({})
    (True, False, False)
    """
    name = attributes.get("class")
    return bool(name) and _NOISE.search(name or "") is not None


def _hidden_as(attributes: Attributes) -> str:
    """Return the name of an invisible part for the note ("hidden passage"); "" for visible parts."""
    if _HIDING.isdisjoint(attributes):
        return ""
    style = (attributes.get("style") or "").replace(" ", "").lower()
    if "line-through" in style:
        return STRUCK
    if (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or "display:none" in style
        or "visibility:hidden" in style
    ):
        return "hidden passage"
    return "navigation block" if attributes.get("role") == "navigation" else ""


def left_out_as(tag: str, attributes: Attributes) -> str:
    """Return the name of a part left out for the note: also struck-through text and readings of characters.

    >>> left_out_as("del", {}), left_out_as("p", {"style": "display: none"}), left_out_as("p", {})
    ('struck-through passage', 'hidden passage', '')
    """
    return _LEFT_OUT.get(tag) or (_hidden_as(attributes) if attributes else "")


def raised_or_lowered(node: LexborNode, before: str) -> str:
    """Return the plain form of a ``sup`` or ``sub`` after the words ``before``.

    >>> from selectolax.lexbor import LexborHTMLParser
    >>> page = LexborHTMLParser("40 m<sup>2</sup> H<sub>2</sub>O")
    >>> raised_or_lowered(page.css_first("sup"), "40 m"), raised_or_lowered(page.css_first("sub"), "H")
    ('²', '₂')
    """
    words = collapse(deep_text(node))
    if node.tag == "sub":
        return lowered(before, words)
    note = any(child.tag == "a" for child in node.iter()) or "footnote" in (node.attributes.get("class") or "")
    return raised(before, words, note=note)


def filled_in(node: LexborNode) -> str:
    """Return the value of an ``input``: its words, or [x] for a ticked box with words beside it.

    >>> from selectolax.lexbor import LexborHTMLParser
    >>> page = LexborHTMLParser('<label><input type="checkbox" checked>yes</label><input value="Ada">')
    >>> [filled_in(node) for node in page.css("input")]
    ['[x] ', ' Ada ']
    """
    attributes = node.attributes
    kind = (attributes.get("type") or "text").lower()
    if kind in _TICKED:
        beside = node.parent is not None and node.parent.tag in ("label", "li", "p", "td")
        return "[x] " if "checked" in attributes and beside else ""
    return f" {attributes.get('value') or ''} " if kind in _TYPED_IN else ""


def is_data(table: LexborNode) -> bool:
    """Return whether a table holds data and does not lay out the page: no headings, code blocks or large tables.

    >>> from selectolax.lexbor import LexborHTMLParser
    >>> page = LexborHTMLParser("<table><tr><td>plum</table><table><tr><td><h1>The mill</h1></table>")
    >>> [is_data(table) for table in page.css("table")]
    [True, False]
    """
    if table.css_first("h1, h2, h3, h4, h5, h6, pre") is not None:
        return False
    inner = table.css("table table")
    if not inner:
        return True
    return len(table.text()) < _SMALL and any(
        sum(cell.tag in ("td", "th") for cell in row.iter()) > 1
        for row in table.css("tr")
        if _owner(row) == table.mem_id
    )


def _owner(row: LexborNode) -> int:
    """Return the table to which a row belongs."""
    above = row.parent
    while above is not None and above.tag != "table":
        above = above.parent
    return above.mem_id if above is not None else 0


def rows_of(table: LexborNode, image_base: str | None, left_out: Counter[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a table with the spans of their cells; a row of only ``th``, or in ``thead``, is a head.

    >>> from selectolax.lexbor import LexborHTMLParser
    >>> table = "<table><tr><th>item<th>price<tr><td rowspan=2>plum<td>3<tr><td>4</table>"
    >>> [(row.cells, row.head) for row in rows_of(LexborHTMLParser(table).css_first("table"), None)]
    [(['item', 'price'], True), (['plum', '3'], False), (['plum', '4'], False)]
    """
    yield from spread(_rows(table, image_base, left_out))


def _rows(
    table: LexborNode, image_base: str | None, left_out: Counter[str] | None
) -> Iterator[tuple[int, list[Cell], bool]]:
    nested = table.css_first("table table") is not None
    for row in table.css("tr"):
        if nested and _owner(row) != table.mem_id:
            continue  # in an inner table, whose words belong to the outer cell
        cells: list[Cell] = []
        heads = 0
        for cell in row.iter():
            if cell.tag in ("td", "th"):
                words = collapse(deep_text(cell, image_base, left_out))
                bold = cell.tag == "th" or _is_bold(cell, words)
                heads += cell.tag == "th"
                cells.append(Cell(words, _span(cell, "colspan"), _span(cell, "rowspan"), cell.tag == "th", bold))
        above = row.parent
        yield 0, cells, bool(cells) and (heads == len(cells) or (above is not None and above.tag == "thead"))


def _is_bold(cell: LexborNode, words: str) -> bool:
    first = next(iter(cell.iter()), None)
    if not words or first is None or first.tag not in _BOLD:
        return False
    return any(collapse(node.text()) == words for node in cell.css("b, strong"))


def _span(cell: LexborNode, name: str) -> int:
    value = (cell.attributes.get(name) or "1").strip()
    return max(1, int(value[:6])) if value.isdecimal() else 1


def source_of(node: LexborNode) -> str:
    """Return the address of a picture; pages with lazy loading have it in another attribute.

    >>> from selectolax.lexbor import LexborHTMLParser
    >>> page = LexborHTMLParser('<img src="a.png"><img src="data:image/gif;base64,R0" data-src="b.png">')
    >>> [source_of(node) for node in page.css("img")]
    ['a.png', 'b.png']
    """
    attributes = node.attributes
    source = attributes.get("src") or ""
    return source if source and not source.startswith("data:") else attributes.get("data-src") or ""


def deep_text(node: LexborNode, image_base: str | None = None, left_out: Counter[str] | None = None) -> str:
    r"""Return all words below a node, without hidden and struck-through parts; blocks and <br> end lines.

    >>> from selectolax.lexbor import LexborHTMLParser
    >>> page = LexborHTMLParser("<div>It <b>rains</b>.<br>We stay in.<span hidden>Never.</span></div>")
    >>> left_out = Counter()
    >>> deep_text(page.css_first("div"), left_out=left_out), dict(left_out)
    ('It rains.\nWe stay in.', {'hidden passage': 1})

    Args:
        image_base: base of image links; None: no pictures.
        left_out: counts what is left out.
    """
    parts: list[str] = []
    below = node.child
    while below is not None:
        tag = below.tag or ""
        skip = tag in NEVER
        if tag == "-text":
            parts.append(below.text_content or "")
        elif tag == "br":
            parts.append("\n")
        elif tag == "img":
            parts.append(image_link(source_of(below), image_base))
        elif tag == "input":
            parts.append(filled_in(below))
        elif tag in ("sup", "sub"):
            parts.append(raised_or_lowered(below, "".join(parts[-3:])))
            skip = True
        elif not skip and not tag.startswith("-"):
            attributes = below.attributes
            kind = left_out_as(tag, attributes)
            skip = bool(kind) or tag == "rp" or is_noise(attributes)
            if kind and left_out is not None and below.text(strip=True):
                left_out[kind] += 1
        if not skip and below.child is not None:
            below = below.child
            continue
        while below is not None and below.mem_id != node.mem_id:
            if below.tag in BLOCKS:
                parts.append("\n")
            if below.next is not None:
                below = below.next
                break
            below = below.parent
        if below is None or below.mem_id == node.mem_id:
            break
    return "".join(parts)
