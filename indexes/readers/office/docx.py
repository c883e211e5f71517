"""Word (.docx): paragraphs, lists, tables, text boxes and notes in document order, heading styles as heading path.

Read through: content controls, insertions under review, hyperlinks, text boxes (after the paragraph they hang on),
equations as their characters, footnotes and endnotes (after the paragraph that refers to them, "[1]" in both places).
Left out: deletions under review, comments, pictures, and headers and footers unless ``read.headers_footers`` is set.
Parts that the file names but does not hold do not stop the text, see ``package``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from docx import Document as open_docx
from docx.document import Document as DocxDocument
from docx.oxml.ns import qn
from docx.text.paragraph import Paragraph
from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, collapse_lines
from indexes.readers.office.zip_container import office_stream, xml
from indexes.readers.source_file import SourceFile

_HEADING = re.compile(r"(?:heading|标题|標題|überschrift|titre)\s*([1-9])", re.IGNORECASE)
_TITLES = ("title", "标题", "標題")
_CAPTIONS = ("caption", "题注", "標號")
_REMEDY = "open it in Word or LibreOffice and save it again, or leave it out"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_BREAKS = {qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:tab"): "\t", qn("w:noBreakHyphen"): "-"}
_SKIPPED = frozenset((qn("w:del"), qn("w:moveFrom"), qn("w:pPr"), qn("w:rPr"), qn("w:tblPr"), _FALLBACK))
_OPENED = frozenset(map(qn, ("w:sdt", "w:sdtContent", "w:ins", "w:moveTo", "w:smartTag", "w:customXml")))
_NOTE_KINDS = {qn("w:footnoteReference"): "footnotes", qn("w:endnoteReference"): "endnotes"}
_P, _TBL, _TR, _TC, _TXBX = map(qn, ("w:p", "w:tbl", "w:tr", "w:tc", "w:txbxContent"))


def read(file: SourceFile) -> Extract:
    try:
        with office_stream(file, "a Word document", "word/") as stream:
            document = open_docx(stream)
            builder = OutlineBuilder()
            walk = _Walk(builder, document)
            if file.settings.headers_footers:
                walk.margins("header")
            walk.run(document.element.body)
            if file.settings.headers_footers:
                walk.margins("footer")
    except (KeyError, ValueError, etree.XMLSyntaxError) as error:  # a main part missing, mistyped or damaged
        raise ReaderError(f"'{file}' is damaged or no Word document ({error})", remedy=_REMEDY) from error
    if builder.empty and any("/image" in relation.reltype for relation in document.part.rels.values()):
        raise ReaderError(f"'{file}' holds pictures but no text", remedy="leave it out, or put their text in words")
    return builder.build({"title": (document.core_properties.title or "").strip() or walk.title})


class _Walk:
    def __init__(self, builder: OutlineBuilder, document: DocxDocument) -> None:
        self.builder = builder
        self.document = document
        self.title: str | None = None
        self.caption = ""
        self.numbers: dict[tuple[str, str], int] = {}  # notes in the order in which they are referred to
        self.notes = {kind: _notes(document, kind) for kind in ("footnotes", "endnotes")}
        self.levels: dict[str | None, int | None] = {}  # of the paragraph styles met so far

    def run(self, body: Iterable[etree._Element]) -> None:
        for element in _blocks(body):
            if element.tag == _TBL:
                self._table(element)
            else:
                self._paragraph(element)

    def margins(self, place: str) -> None:
        """Headers or footers of all sections, each text once."""
        seen = set()
        for section in self.document.sections:
            for margin in (getattr(section, name) for name in (place, f"first_page_{place}", f"even_page_{place}")):
                words = "" if margin.is_linked_to_previous else _Gathered(margin._element).text
                if words and words not in seen:
                    seen.add(words)
                    self.builder.paragraph(words)

    def _paragraph(self, element: etree._Element) -> None:
        found = _Gathered(element, self.numbers)
        words = collapse_lines(found.text)
        caption, self.caption = self.caption, ""
        if words:
            self.caption = ""
            style = Paragraph(element, self.document._body).style  # type: ignore[arg-type]
            name = ((style.name if style is not None else None) or "").lower()
            level = self._level(element, style)
            if level is not None:
                self.builder.heading(level, words)
                self.title = self.title or " ".join(words.split())
            elif (depth := _list_depth(element, name)) is not None:
                self.builder.paragraph(f"{'  ' * depth}- {words}".lstrip(), glue="\n" + "  " * depth)
            elif name in _CAPTIONS:
                self.caption = words
                self.builder.paragraph(words)
            else:
                self.builder.paragraph(words)
        elif caption:
            self.caption = caption  # an empty line between a caption and its table
        self._attached(found)

    def _attached(self, found: _Gathered) -> None:
        """What hangs on a paragraph or cell: text boxes, then the notes it refers to."""
        for box in found.boxes:
            self.run(box)
        for kind, note_id in found.references:
            words = self.notes[kind].get(note_id)
            if words:
                self.builder.paragraph(f"[{self.numbers[kind, note_id]}] {words}")

    def _table(self, element: etree._Element) -> None:
        rows: list[list[str]] = []
        found: list[_Gathered] = []
        for row in element.iter(_TR):
            if next(row.iterancestors(_TBL)) is not element:
                continue  # of a table within a cell, whose words stand in the cell
            cells, gathered = _cells(row, rows[-1] if rows else [], self.numbers)
            rows.append(cells)
            found += gathered
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around text
            self.run(cell for cell in element.iter(_TC) if next(cell.iterancestors(_TBL)) is element)
            return
        self.builder.table(rows, caption=self.caption, told=True)
        self.caption = ""
        for item in found:
            self._attached(item)

    def _level(self, element: etree._Element, style: object) -> int | None:
        """0 for the title, 1 for Heading 1 and so on; None for body text."""
        own = _outline_level(element)
        if own is not None:
            return own
        key = getattr(style, "style_id", None)
        if key not in self.levels:
            self.levels[key] = _style_level(style)
        return self.levels[key]


class _Gathered:
    """The words of an element, its text boxes, and the notes that it refers to."""

    def __init__(self, element: etree._Element, numbers: dict[tuple[str, str], int] | None = None) -> None:
        self.boxes: list[etree._Element] = []
        self.references: list[tuple[str, str]] = []
        self._numbers = {} if numbers is None else numbers
        self._parts: list[str] = []
        self._walk(element)
        self.text = "".join(self._parts).strip()

    def _walk(self, element: etree._Element) -> None:
        waiting = list(reversed(element))
        while waiting:
            node = waiting.pop()
            tag = node.tag
            if tag == qn("w:t") or tag == _MATH:
                self._parts.append(node.text or "")
            elif tag in _BREAKS:
                self._parts.append(_BREAKS[tag])
            elif tag == _TXBX:
                self.boxes.append(node)
            elif tag in _NOTE_KINDS:
                key = (_NOTE_KINDS[tag], node.get(qn("w:id")) or "")
                number = self._numbers.setdefault(key, len(self._numbers) + 1)
                self._parts.append(f"[{number}]")
                self.references.append(key)
            elif tag not in _SKIPPED:
                if tag == _P:
                    self._parts.append("\n")
                elif tag == _TC:
                    self._parts.append(" ")
                waiting.extend(reversed(node))


def _blocks(body: Iterable[etree._Element]) -> Iterator[etree._Element]:
    """Paragraphs and tables in order; content controls and the like are opened."""
    waiting = list(reversed(list(body)))
    while waiting:
        element = waiting.pop()
        if element.tag in (_P, _TBL):
            yield element
        elif element.tag in _OPENED or element.tag == _TC:
            waiting.extend(reversed(element))


def _cells(
    row: etree._Element, above: list[str], numbers: dict[tuple[str, str], int]
) -> tuple[list[str], list[_Gathered]]:
    """A row's cells; one that is merged over rows repeats its words, one over columns is followed by empty cells."""
    cells: list[str] = []
    found = []
    skipped = row.find(f"{qn('w:trPr')}/{qn('w:gridBefore')}")
    cells += [""] * _number(skipped, 0)
    for cell in row.iter(_TC):
        if next(cell.iterancestors(_TR)) is not row:
            continue
        properties = cell.find(qn("w:tcPr"))
        merge = properties.find(qn("w:vMerge")) if properties is not None else None
        if merge is not None and merge.get(qn("w:val")) != "restart" and len(above) > len(cells):
            cells.append(above[len(cells)])
        else:
            gathered = _Gathered(cell, numbers)
            found.append(gathered)
            cells.append(" ".join(gathered.text.split()))
        span = properties.find(qn("w:gridSpan")) if properties is not None else None
        cells += [""] * (min(_number(span, 1), 64) - 1)
    return cells, found


def _number(element: etree._Element | None, default: int) -> int:
    value = element.get(qn("w:val")) if element is not None else None
    return int(value) if value is not None and value.isdecimal() else default


def _notes(document: DocxDocument, kind: str) -> dict[str, str]:
    """Footnotes or endnotes by id."""
    for relation in document.part.rels.values():
        if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
            root = xml(relation.target_part.blob)
            return {
                note.get(qn("w:id")) or "": " ".join(_Gathered(note).text.split())
                for note in (root if root is not None else ())
                if note.get(qn("w:type")) in (None, "normal")
            }
    return {}


def _style_level(style: object) -> int | None:
    """Own styles count by what they are based on."""
    for _ in range(10):  # a circle of styles must not hang us
        if style is None:
            return None
        name = getattr(style, "name", None) or ""
        match = _HEADING.match(name)
        if match:
            return int(match.group(1))
        if name.lower() in _TITLES:
            return 0
        level = _outline_level(style.element)  # type: ignore[attr-defined]
        if level is not None:
            return level
        style = style.base_style  # type: ignore[attr-defined]
    return None


def _outline_level(element: etree._Element) -> int | None:
    value = element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    number = _number(value, 9)
    return number + 1 if number < 9 else None


def _list_depth(element: etree._Element, style_name: str) -> int | None:
    """0 for an item of an outermost list; None for what is no item."""
    numbering = element.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
    if numbering is not None and _number(numbering.find(qn("w:numId")), 1) != 0:
        return min(_number(numbering.find(qn("w:ilvl")), 0), 8)
    if style_name.startswith("list "):
        last = style_name[-1]
        return int(last) - 1 if last.isdecimal() and last != "0" else 0
    return None
