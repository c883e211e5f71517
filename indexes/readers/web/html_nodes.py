"""What the HTML reader needs of single elements: their words, whether they are hidden, the rows of a table."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborNode

from indexes.readers.builder import collapse, image_link


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEVER = words(
    "script style noscript template svg canvas iframe object select button datalist head title math audio video"
)
BLOCKS = words(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form "
    "header hr html legend li main nav ol p section summary table tbody td tfoot th thead tr ul"
)
_NOISE = re.compile(
    r"\b(?:headerlink|hash-link|mw-editsection|anchor-?link|(?:mw-)?jump-link|skip-?(?:to|link))", re.IGNORECASE
)


def is_hidden(node: LexborNode) -> bool:
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


def is_data(table: LexborNode) -> bool:
    """A table of data, not one that lays out a page: no headings, code blocks or tables in it."""
    return table.css_first("table table, h1, h2, h3, h4, h5, h6, pre") is None


def rows_of(table: LexborNode, image_base: str | None) -> list[list[str]]:
    """Cells of each row; one that spans rows repeats its words in each, one that spans columns is followed by empty."""
    rows: list[list[str]] = []
    below: dict[int, tuple[int, str]] = {}  # column: rows still to fill, words
    for row in table.css("tr"):
        cells: list[str] = []
        cell = row.child
        while cell is not None or len(cells) in below:
            if len(cells) in below:
                left, words = below.pop(len(cells))
                if left > 1:
                    below[len(cells)] = (left - 1, words)
                cells.append(words)
                continue
            if cell is None:
                break
            if cell.tag in ("td", "th"):
                words = collapse(deep_text(cell, image_base))
                down, across = _span(cell, "rowspan"), _span(cell, "colspan")
                for step in range(across):
                    if down > 1:
                        below[len(cells)] = (down - 1, "" if step else words)
                    cells.append("" if step else words)
            cell = cell.next
        rows.append(cells)
    return rows


def has_side_heads(table: LexborNode) -> bool:
    """Does each row begin with its own head (name: value), so that the first row is none?"""
    pairs = 0
    for row in table.css("tr"):
        tags = []
        cell = row.child
        while cell is not None:
            if cell.tag in ("td", "th"):
                tags.append(cell.tag)
            cell = cell.next
        if len(tags) > 1:
            if tags[0] != "th" or tags[1] != "td":
                return False
            pairs += 1
    return pairs > 1


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or "1"
    return max(1, min(int(value), 50)) if value.isdecimal() else 1


def source_of(node: LexborNode) -> str:
    """Address of a picture; pages that load pictures late keep it elsewhere."""
    attributes = node.attributes
    source = attributes.get("src") or ""
    return source if source and not source.startswith("data:") else attributes.get("data-src") or ""


def deep_text(node: LexborNode, image_base: str | None = None) -> str:
    """All words below a node, without hidden parts; blocks and <br> end lines."""
    parts: list[str] = []
    below = node.child
    while below is not None:
        tag = below.tag or ""
        if tag == "-text":
            parts.append(below.text_content or "")
        elif tag == "br":
            parts.append("\n")
        elif tag == "img":
            parts.append(image_link(source_of(below), image_base))
        skip = tag in NEVER or (not tag.startswith("-") and is_hidden(below))
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
