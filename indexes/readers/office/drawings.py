"""Texts of drawings in Office files: SmartArt, and text boxes on sheets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from lxml import etree  # type: ignore[import-untyped]

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_XDR = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
_NO_TEXT = frozenset(("pres", "parTrans", "sibTrans"))  # points of a diagram without text


def diagram_lines(root: etree._Element | None) -> list[tuple[int, str]]:
    """Return (depth from 0, words) of the points of a SmartArt diagram, in depth-first order.

    >>> def point(key, words):
    ...     return f'<d:pt modelId="{key}"><d:t><a:p><a:t>{words}</a:t></a:p></d:t></d:pt>'
    >>> names = f'xmlns:d="{_DGM[1:-1]}" xmlns:a="{_A[1:-1]}"'
    >>> diagram = f'<d:data {names}>{point(1, "Fruit")}{point(2, "Plums")}<d:cxn srcId="1" destId="2"/></d:data>'
    >>> diagram_lines(etree.fromstring(diagram))
    [(0, 'Fruit'), (1, 'Plums')]
    """
    if root is None:
        return []
    words: dict[str, str] = {}
    for point in root.iter(f"{_DGM}pt"):
        if point.get("type") not in _NO_TEXT:
            words[point.get("modelId") or ""] = "\n".join(paragraphs(point))
    below: dict[str, list[tuple[int, str]]] = defaultdict(list)
    children = set()
    for link in root.iter(f"{_DGM}cxn"):
        if link.get("type", "parOf") == "parOf" and link.get("destId") in words:
            order = link.get("srcOrd") or "0"
            below[link.get("srcId") or ""].append((int(order) if order.isdecimal() else 0, link.get("destId") or ""))
            children.add(link.get("destId"))
    found: list[tuple[int, str]] = []
    seen: set[str] = set()
    waiting = [(0, key) for key in reversed(list(words)) if key not in children]
    while waiting:
        depth, key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        if words[key].strip():
            found.append((depth, words[key]))
        deeper = depth + 1 if words[key].strip() else depth
        waiting += [(deeper, child) for _, child in sorted(below[key], reverse=True)]
    return found


def paragraphs(element: etree._Element) -> Iterator[str]:
    """Yield the words of each DrawingML paragraph below an element.

    >>> words = "<a:p><a:t>It </a:t><a:t>rains.</a:t></a:p><a:p/>"
    >>> list(paragraphs(etree.fromstring(f'<a:x xmlns:a="{_A[1:-1]}">{words}</a:x>')))
    ['It rains.']
    """
    for paragraph in element.iter(f"{_A}p"):
        parts = []
        for node in paragraph.iter(f"{_A}t", f"{_A}br"):
            parts.append(node.text or "" if node.tag == f"{_A}t" else "\n")
        words = "".join(parts).strip()
        if words:
            yield words


def sheet_boxes(root: etree._Element | None) -> list[tuple[int, int, str]]:
    """Return (row, column, words) of the text boxes and shapes on a sheet, from 1, ordered by place.

    >>> words = "<a:p><a:t>Prices of 2026</a:t></a:p>"
    >>> place = "<x:from><x:col>1</x:col><x:row>4</x:row></x:from>"
    >>> names = f'xmlns:x="{_XDR[1:-1]}" xmlns:a="{_A[1:-1]}"'
    >>> sheet_boxes(etree.fromstring(f"<x:wsDr {names}><x:anchor>{place}<x:sp>{words}</x:sp></x:anchor></x:wsDr>"))
    [(5, 2, 'Prices of 2026')]
    """
    found = []
    for anchor in root if root is not None else ():
        start = anchor.find(f"{_XDR}from")
        row = start.findtext(f"{_XDR}row") if start is not None else None
        column = start.findtext(f"{_XDR}col") if start is not None else None
        for shape in anchor.iter(f"{_XDR}sp"):
            words = "\n".join(paragraphs(shape))
            if words:
                found.append((_number(row), _number(column), words))
    return sorted(found)


def _number(text: str | None) -> int:
    return int(text) + 1 if text is not None and text.strip().isdecimal() else 1
