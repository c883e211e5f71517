"""Automatic numbers of Word: "第一条", "2.1.3", "(b)", counted by list and level as in Word.

A paragraph, or its style, names a list (``numId``) and a level. The list is an instance of an abstract list and may
restart its levels; otherwise instances of one abstract list continue its count. (ECMA-376, 17.9)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from docx.oxml.ns import qn
from lxml import etree  # type: ignore[import-untyped]

from indexes.readers.numerals import number_in, office_number
from indexes.readers.office.docx_styles import value_of

LEVELS = 9
_PLACE = re.compile(r"%([1-9])")


@dataclass(slots=True)
class Level:
    """Numbering of one level of a list."""

    start: int = 1
    form: str = "decimal"
    text: str = ""
    suffix: str = "tab"
    restart: int | None = None  # level after which it restarts (1-based); 0: never; None: any level above it
    legal: bool = False  # all numbers in figures
    style: str = ""  # style of its paragraphs
    font: str | None = None


@dataclass(slots=True)
class _NumberedList:
    abstract: str
    levels: dict[int, Level]
    starts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """The lists of a document and their current counts.

    >>> from docx.oxml import parse_xml
    >>> from docx.oxml.ns import nsdecls
    >>> level = '<w:lvl w:ilvl="0"><w:numFmt w:val="upperRoman"/><w:lvlText w:val="Part %1"/></w:lvl>'
    >>> lists = f'<w:abstractNum w:abstractNumId="0">{level}</w:abstractNum>'
    >>> number = '<w:num w:numId="7"><w:abstractNumId w:val="0"/></w:num>'
    >>> numbering = Numbering(parse_xml(f"<w:numbering {nsdecls('w')}>{lists}{number}</w:numbering>"))
    >>> numbering.next("7", 0), numbering.next("7", 0)
    ('Part I ', 'Part II ')

    Args:
        root: ``word/numbering.xml``; None if the document has none.
    """

    def __init__(self, root: etree._Element | None) -> None:
        self._lists: dict[str, _NumberedList] = {}
        self._by_style: dict[str, tuple[str, int]] = {}
        self._counts: dict[str, list[int | None]] = {}
        self._started: set[tuple[str, int]] = set()
        if root is not None:
            self._load(root)

    def place_of_style(self, style_id: str) -> tuple[str, int] | None:
        """Return (list, level) of a paragraph style, as named by a level."""
        return self._by_style.get(style_id)

    def next(self, list_id: str, level: int) -> str | None:
        """Return the number of the next paragraph on this level with its separator; None for bullets and unknown lists.

        A bullet counts too: it restarts the levels below it.
        """
        item, rule = self._lists.get(list_id), self._level(list_id, level)
        if item is None or rule is None:
            return None
        counts = self._counts.setdefault(item.abstract, [None] * LEVELS)
        start = item.starts.get(level)
        if start is not None and (list_id, level) not in self._started:
            counts[level] = None
        self._started.add((list_id, level))
        before = counts[level]
        counts[level] = (rule.start if start is None else start) if before is None else before + 1
        for deeper in range(level + 1, LEVELS):
            below = item.levels.get(deeper)
            if below is None or below.restart is None or (below.restart > 0 and level < below.restart):
                counts[deeper] = None
        if rule.form in ("bullet", "none") and not _PLACE.search(rule.text):
            return None
        words = self._shown(item, rule, counts)
        return words + ("" if rule.suffix == "nothing" else " ") if words else None

    def _shown(self, item: _NumberedList, rule: Level, counts: list[int | None]) -> str:
        def figure(match: re.Match[str]) -> str:
            at = int(match.group(1)) - 1
            level = item.levels.get(at)
            if level is None or level.form == "none":
                return ""
            count = counts[at]
            number = item.starts.get(at, level.start) if count is None else count
            return office_number(number, "decimal" if rule.legal and level.form != "decimalZero" else level.form)

        return _PLACE.sub(figure, rule.text).strip()

    def _level(self, list_id: str, level: int) -> Level | None:
        item = self._lists.get(list_id)
        return item.levels.get(level) if item is not None else None

    def _load(self, root: etree._Element) -> None:
        abstracts: dict[str, dict[int, Level]] = {}
        links: dict[str, str] = {}  # abstract list -> style that holds its numbering
        of_style: dict[str, str] = {}  # style -> abstract list
        for item in root.findall(qn("w:abstractNum")):
            key = item.get(qn("w:abstractNumId")) or ""
            abstracts[key] = dict(map(_read_level, item.findall(qn("w:lvl"))))
            if (link := value_of(item, "w:numStyleLink")) is not None:
                links[key] = link
            if (name := value_of(item, "w:styleLink")) is not None:
                of_style[name] = key
        for key, link in links.items():
            if not abstracts[key]:
                abstracts[key] = abstracts.get(of_style.get(link, ""), {})
        for item in root.findall(qn("w:num")):
            key = item.get(qn("w:numId")) or ""
            abstract = value_of(item, "w:abstractNumId") or ""
            found = _NumberedList(abstract, dict(abstracts.get(abstract, {})))
            for override in item.findall(qn("w:lvlOverride")):
                number = number_in(override.get(qn("w:ilvl")), 0)
                own = override.find(qn("w:lvl"))
                if own is not None:
                    found.levels[number] = _read_level(own)[1]
                start = value_of(override, "w:startOverride")
                if start is not None:
                    found.starts[number] = number_in(start, 1)
            self._lists[key] = found
            for number, level in found.levels.items():
                if level.style:
                    self._by_style.setdefault(level.style, (key, number))


def _read_level(element: etree._Element) -> tuple[int, Level]:
    restart = value_of(element, "w:lvlRestart")
    form = element.find(qn("w:numFmt"))
    if form is None:  # a newer format is in a choice, with a fallback
        form = next((node for node in element.iter(qn("w:numFmt"))), None)
    fonts = element.find(f"{qn('w:rPr')}/{qn('w:rFonts')}")
    legal = element.find(qn("w:isLgl"))
    return number_in(element.get(qn("w:ilvl")), 0), Level(
        start=number_in(value_of(element, "w:start"), 1),
        form=(form.get(qn("w:val")) if form is not None else None) or "decimal",
        text=value_of(element, "w:lvlText") or "",
        suffix=value_of(element, "w:suff") or "tab",
        restart=number_in(restart, 0) if restart is not None else None,
        legal=legal is not None and legal.get(qn("w:val")) not in ("0", "false"),
        style=value_of(element, "w:pStyle") or "",
        font=fonts.get(qn("w:ascii")) if fonts is not None else None,
    )
