"""Styles of a Word document: heading level, list, hidden, struck-through, bold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from docx.oxml.ns import qn
from lxml import etree  # type: ignore[import-untyped]

_HEADING = re.compile(r"(?:heading|标题|標題|überschrift|titre)\s*([1-9])", re.IGNORECASE)
_TITLES = ("title", "标题", "標題")
_DEEPEST = 12  # levels of inheritance; a circle of styles must not hang


@dataclass(slots=True)
class Style:
    """A style with inherited properties.

    Args:
        level: heading level: 0 for the title, 1 for the outermost heading; None for body text.
        list_id, list_level: of its automatic numbers.
        head: for a table style: its first row looks different.
    """

    name: str = ""
    level: int | None = None
    list_id: str | None = None
    list_level: int | None = None
    vanish: bool = False
    strike: bool = False
    bold: bool = False
    head: bool = False


class Styles:
    """The styles of a document by id.

    >>> from docx.oxml import parse_xml
    >>> from docx.oxml.ns import nsdecls
    >>> parent = '<w:style w:styleId="h"><w:name w:val="heading 2"/></w:style>'
    >>> child = '<w:style w:styleId="own"><w:name w:val="House"/><w:basedOn w:val="h"/></w:style>'
    >>> Styles(parse_xml(f"<w:styles {nsdecls('w')}>{parent}{child}</w:styles>")).get("own").level
    2

    Args:
        root: ``word/styles.xml``; None if the document has none.
    """

    def __init__(self, root: etree._Element | None) -> None:
        self._elements: dict[str, etree._Element] = {}
        self._known: dict[str, Style] = {}
        self.default = ""
        for element in root.iter(qn("w:style")) if root is not None else ():
            key = element.get(qn("w:styleId")) or ""
            self._elements[key] = element
            if element.get(qn("w:type")) == "paragraph" and element.get(qn("w:default")) in ("1", "true"):
                self.default = key

    def get(self, style_id: str | None) -> Style:
        key = style_id or ""
        if key not in self._known:
            self._known[key] = self._read(key)
        return self._known[key]

    def _read(self, key: str) -> Style:
        style = Style()
        level: int | None = None
        known: dict[str, bool] = {}
        for depth in range(_DEEPEST):
            element = self._elements.get(key)
            if element is None:
                break
            name = value_of(element, "w:name") or ""
            style.name = style.name or name.lower()
            if level is None:
                match = _HEADING.match(name)
                level = int(match.group(1)) if match else 0 if name.lower() in _TITLES else outline_level(element)
            numbers = element.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
            if numbers is not None:
                if style.list_id is None:
                    style.list_id = value_of(numbers, "w:numId")
                at = value_of(numbers, "w:ilvl")
                if style.list_level is None and at is not None and at.isdecimal():
                    style.list_level = int(at)
            properties = element.find(qn("w:rPr"))
            for field_name in ("vanish", "strike", "bold"):
                if field_name not in known and properties is not None:
                    on = switched(properties, {"bold": "w:b"}.get(field_name, f"w:{field_name}"))
                    if on is not None:
                        known[field_name] = on
            if depth == 0:
                style.head = any(
                    part.get(qn("w:type")) == "firstRow" and len(part) for part in element.findall(qn("w:tblStylePr"))
                )
            key = value_of(element, "w:basedOn") or ""
        style.level = level
        style.vanish, style.strike = known.get("vanish", False), known.get("strike", False)
        style.bold = known.get("bold", False)
        return style


def outline_level(element: etree._Element) -> int | None:
    """Return the outline level of a paragraph or style, from 1.

    >>> from docx.oxml import parse_xml
    >>> from docx.oxml.ns import nsdecls
    >>> outline_level(parse_xml(f'<w:p {nsdecls("w")}><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:p>'))
    2
    """
    value = element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    text = value.get(qn("w:val")) if value is not None else None
    return int(text) + 1 if text is not None and text.isdecimal() and int(text) < 9 else None


def switched(properties: etree._Element, name: str) -> bool | None:
    """Return an on/off property of a run; None if it is not set.

    >>> from docx.oxml import parse_xml
    >>> from docx.oxml.ns import nsdecls
    >>> properties = parse_xml(f'<w:rPr {nsdecls("w")}><w:b/><w:vanish w:val="0"/></w:rPr>')
    >>> switched(properties, "w:b"), switched(properties, "w:vanish"), switched(properties, "w:strike")
    (True, False, None)
    """
    found = properties.find(qn(name))
    return None if found is None else found.get(qn("w:val")) not in ("0", "false", "off")


def value_of(element: etree._Element, name: str) -> str | None:
    """Return the ``w:val`` of a child; None without the child.

    >>> from docx.oxml import parse_xml
    >>> from docx.oxml.ns import nsdecls
    >>> value_of(parse_xml(f'<w:style {nsdecls("w")}><w:name w:val="heading 2"/></w:style>'), "w:name")
    'heading 2'
    """
    found = element.find(qn(name))
    return found.get(qn("w:val")) if found is not None else None
