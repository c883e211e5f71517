"""What the HTML reader needs of single elements: their words, whether they are hidden, the rows of a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from indexes.readers.builder import collapse, image_link
from indexes.readers.inline import lowered, raised
from indexes.readers.tables.cells import Cell, Row, spread


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def letters(text: str) -> int:
    """The length of a text without its white space."""
    return len(text) - sum(map(text.count, _WHITE))


_WHITE = " \n\t\r\f\u00a0\u3000"
_SMALL = 1000  # characters of a table that holds others and is data all the same
_BOLD = words("b strong p div span font")  # what the words of a bold cell stand in
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
    """Links that are there for the mouse only: to the heading itself, to the content, to edit."""
    name = attributes.get("class")
    return bool(name) and _NOISE.search(name or "") is not None


def hidden_as(attributes: Attributes) -> str:
    """What a part that no reader sees is called in the note ("hidden passage"); "" for parts that are seen."""
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
    """The same for tags whose words are not the text: struck-through, readings of characters."""
    return _LEFT_OUT.get(tag) or (hidden_as(attributes) if attributes else "")


def raised_or_lowered(node: LexborNode, before: str) -> str:
    """What stands for a ``sup`` or ``sub`` behind the words ``before``."""
    words = collapse(deep_text(node))
    if node.tag == "sub":
        return lowered(before, words)
    note = any(child.tag == "a" for child in node.iter()) or "footnote" in (node.attributes.get("class") or "")
    return raised(before, words, note=note)


def filled_in(node: LexborNode) -> str:
    """What stands in an ``input`` of a form: its words, or [x] where a box with words beside it is ticked."""
    attributes = node.attributes
    kind = (attributes.get("type") or "text").lower()
    if kind in _TICKED:
        beside = node.parent is not None and node.parent.tag in ("label", "li", "p", "td")
        return "[x] " if "checked" in attributes and beside else ""
    return f" {attributes.get('value') or ''} " if kind in _TYPED_IN else ""


def is_data(table: LexborNode) -> bool:
    """A table of data, not one that lays out a page: no headings or code blocks in it, and only small tables."""
    if table.css_first("h1, h2, h3, h4, h5, h6, pre") is not None:
        return False
    inner = table.css("table table")
    if not inner:
        return True
    return len(table.text()) < _SMALL and any(
        _columns(row) > 1 for row in table.css("tr") if _owner(row) == table.mem_id
    )


def _columns(row: LexborNode) -> int:
    return sum(1 for cell in row.iter() if cell.tag in ("td", "th"))


def _owner(row: LexborNode) -> int:
    """The table that a row belongs to."""
    above = row.parent
    while above is not None and above.tag != "table":
        above = above.parent
    return above.mem_id if above is not None else 0


def rows_of(table: LexborNode, image_base: str | None, left_out: Counter[str] | None = None) -> Iterator[Row]:
    """The rows of a table, with the spans of their cells; a row of ``th`` alone, or in ``thead``, is a head."""
    yield from spread(_rows(table, image_base, left_out))


def _rows(
    table: LexborNode, image_base: str | None, left_out: Counter[str] | None
) -> Iterator[tuple[int, list[Cell], bool]]:
    nested = table.css_first("table table") is not None
    for row in table.css("tr"):
        if nested and _owner(row) != table.mem_id:
            continue  # of a table within a cell, whose words stand in the cell
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
    """Address of a picture; pages that load pictures late keep it elsewhere."""
    attributes = node.attributes
    source = attributes.get("src") or ""
    return source if source and not source.startswith("data:") else attributes.get("data-src") or ""


def deep_text(node: LexborNode, image_base: str | None = None, left_out: Counter[str] | None = None) -> str:
    """All words below a node, without hidden and struck-through parts; blocks and <br> end lines.

    Args:
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
