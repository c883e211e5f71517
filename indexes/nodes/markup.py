"""Bring HTML tables and images in Markdown or plain text into one form before the text is split."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from indexes.nodes.blocks import text_blocks
from indexes.readers.builder import markdown_table
from indexes.readers.tables.cells import MAX_COLUMNS, Copies

_TABLE_TAG = re.compile(r"<(/?)table\b[^<>]*>", re.IGNORECASE)
_IMG_TAG = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_SRC = re.compile(r"""\bsrc\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_MARKDOWN_IMAGE = re.compile(
    r"!\[[^\]\n]*\]\(\s*(<[^>\n]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+[\"'][^\n]*?[\"'])?\s*\)"
)


def plain_markup(text: str, *, image_base_url: str | None = None) -> str:
    """Convert HTML tables to Markdown tables, and ``<img>`` and ``![](src)`` to ``![image](address)``, in tables too.

    Code blocks stay unchanged.

    >>> plain_markup('See <img src="plan.png">.', image_base_url="https://example.org/docs")
    'See ![image](https://example.org/docs/plan.png).'

    Args:
        image_base_url: prefix of relative addresses; default: they stay unchanged.
    """
    parts: list[str] = []
    at = 0
    for code in text_blocks(text):
        if code.kind == "code":
            parts += (_converted(text[at : code.start], image_base_url), text[code.start : code.end])
            at = code.end
    parts.append(_converted(text[at:], image_base_url))
    return "".join(parts)


def image_link(src: str, image_base_url: str | None) -> str:
    """Return ``![image](...)``, with a relative address below the base URL and an absolute one unchanged.

    >>> image_link("../pics/a b.png", "https://example.org")
    '![image](https://example.org/pics/a%20b.png)'
    """
    src = src.strip().strip("<>").replace("\\", "/")
    if src.startswith("data:"):
        src = src.partition(",")[0]  # the data of the picture are not text
    elif image_base_url and not urlsplit(src).scheme and not src.startswith("//"):
        while src.startswith(("./", "../", "/")):
            src = src.partition("/")[2]
        src = f"{image_base_url.rstrip('/')}/{src}"
    return f"![image]({src.replace(' ', '%20')})"


def _converted(text: str, base: str | None) -> str:
    text = _MARKDOWN_IMAGE.sub(lambda match: image_link(match.group(1), base), text)
    if "<" not in text:
        return text
    return _IMG_TAG.sub(lambda match: _img(match.group(), base), _tables(text, base))


def _img(tag: str, base: str | None) -> str:
    found = _SRC.search(tag)
    return image_link(next((g for g in found.groups() if g is not None), ""), base) if found else ""


def _tables(text: str, base: str | None) -> str:
    """Replace the outermost ``<table>...</table>``; an unclosed one stays."""
    parts: list[str] = []
    at, begin, depth = 0, -1, 0
    for tag in _TABLE_TAG.finditer(text):
        if not tag.group(1):
            if depth == 0:
                begin = tag.start()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                table = _table(text[begin : tag.end()], base)
                before = text[at:begin].strip("\n") if parts else text[at:begin].rstrip("\n")
                parts += (before, "\n\n" if before else "", table, "\n\n")
                at = tag.end()
    rest = text[at:]
    parts.append(rest.lstrip("\n") if parts else rest)
    return "".join(parts)


def _table(html: str, base: str | None) -> str:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    for image in tree.css("img"):
        image.replace_with(f" {image_link(image.attributes.get('src') or '', base)} ")
    rows: list[list[str]] = []
    copies = Copies()
    down: dict[int, tuple[int, str]] = {}  # column -> (rows that a cell still fills, its text)
    for row in tree.css("tr"):
        cells: list[str] = []
        for cell in row.css("td, th"):
            if cell.parent is None or cell.parent.mem_id != row.mem_id:
                continue  # in an inner table, whose text belongs to the outer cell
            _fill_down(cells, down, copies)
            text = " ".join(cell.text(separator=" ").split())
            wide, tall = _span(cell.attributes.get("colspan")), _span(cell.attributes.get("rowspan"))
            if tall > 1:
                down[len(cells)] = (tall - 1, text)
            cells += [text, *[""] * (wide - 1)]
        _fill_down(cells, down, copies)
        rows.append(cells[:MAX_COLUMNS])
    caption = tree.css_first("caption")
    title = " ".join(caption.text(separator=" ").split()) if caption else ""
    table = markdown_table(rows)
    return f"{title}\n\n{table}" if title else table


def _fill_down(cells: list[str], down: dict[int, tuple[int, str]], copies: Copies) -> None:
    """Repeat a cell that spans several rows in each of them, so that every row is complete."""
    while len(cells) < MAX_COLUMNS and (filled := down.get(len(cells))) is not None:
        left, text = filled
        if left > 1:
            down[len(cells)] = (left - 1, text)
        else:
            del down[len(cells)]
        cells.append(copies.of(text))


def _span(value: str | None) -> int:
    return min(max(int(value), 1), 50) if value and value.isdecimal() else 1
