"""Word (.docx): paragraphs, lists, tables, text boxes and notes in document order; heading styles give the path.

Included: automatic numbers of headings and lists, content controls, tracked insertions, hyperlinks, text boxes and
SmartArt (after the paragraph they are anchored to), equations as their characters, footnotes and endnotes (after the
paragraph that refers to them, "[1]" in both places). Left out: tracked deletions, comments, pictures, readings of
characters, headers and footers unless ``read.headers_footers`` is set; and hidden and struck-through text, counted in a
note. Missing parts of the file do not stop the text, see ``zip_container``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docx import Document as open_docx
from docx.document import Document as DocxDocument
from docx.oxml.ns import qn
from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, collapse_lines
from indexes.readers.office.docx_styles import Style, Styles, outline_level
from indexes.readers.office.docx_table import TBL, TC, number_of, table_rows
from indexes.readers.office.docx_words import DocxWords
from indexes.readers.office.drawings import diagram_lines
from indexes.readers.office.numbering import LEVELS, Numbering
from indexes.readers.office.zip_container import office_stream, xml
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.grid import TablePlace, add_table

_CAPTIONS = ("caption", "题注", "標號")
_REMEDY = "open it in Word or LibreOffice and save it again, or leave it out"
_OPENED = frozenset(map(qn, ("w:sdt", "w:sdtContent", "w:ins", "w:moveTo", "w:smartTag", "w:customXml")))
_P = qn("w:p")


def read(file: SourceFile) -> Extract:
    """Read a Word document.

    >>> document = open_docx()
    >>> _ = document.add_heading("Care", level=1), document.add_paragraph("Dry it.")
    >>> document.save(folder / "a.docx")
    >>> [(section.kind, section.heading) for section in read(SourceFile("a.docx", folder / "a.docx")).sections]
    [('heading', ('Care',)), ('text', ('Care',))]
    """
    try:
        with office_stream(file, "a Word document", "word/") as stream:
            document = open_docx(stream)
            builder = OutlineBuilder()
            walk = _DocxWalk(builder, document, file)
            if file.settings.headers_footers:
                walk.margins("header")
            walk.run(document.element.body)
            if file.settings.headers_footers:
                walk.margins("footer")
    except (KeyError, ValueError, etree.XMLSyntaxError) as error:  # a main part is missing, damaged or of another type
        raise ReaderError(f"'{file}' is damaged or not a Word document ({error})", remedy=_REMEDY) from error
    if builder.empty and any("/image" in relation.reltype for relation in document.part.rels.values()):
        raise ReaderError(f"'{file}' holds pictures but no text", remedy="leave it out, or put their text in words")
    return builder.build({"title": (document.core_properties.title or "").strip() or walk.title})


class _DocxWalk:
    def __init__(self, builder: OutlineBuilder, document: DocxDocument, file: SourceFile) -> None:
        self.builder = builder
        self.document = document
        self.file = file
        self.title: str | None = None
        self.caption = ""
        self.numbers: dict[tuple[str, str], int] = {}  # notes in the order of their references
        self.styles = Styles(_part(document, "styles"))
        self.numbering = Numbering(_part(document, "numbering"))
        self.notes = {kind: self._notes(kind) for kind in ("footnotes", "endnotes")}

    def run(self, body: Iterable[etree._Element]) -> None:
        for element in _blocks(body):
            if element.tag == TBL:
                self._table(element)
            else:
                self._paragraph(element)

    def margins(self, place: str) -> None:
        """Add the headers or footers of all sections, each text once."""
        seen = set()
        for section in self.document.sections:
            for margin in (getattr(section, name) for name in (place, f"first_page_{place}", f"even_page_{place}")):
                words = "" if margin.is_linked_to_previous else self._words(margin._element).text
                if words and words not in seen:
                    seen.add(words)
                    self.builder.paragraph(words)

    def _words(self, element: etree._Element) -> DocxWords:
        return DocxWords(element, self.styles, self.numbers, self.file)

    def _cell(self, element: etree._Element) -> DocxWords:
        """Return a cell's words with the automatic numbers of its paragraphs."""
        return DocxWords(
            element, self.styles, self.numbers, self.file, label=lambda paragraph: self._label(paragraph)[1]
        )

    def _paragraph(self, element: etree._Element) -> None:
        found = self._words(element)
        words = collapse_lines(found.text)
        caption, self.caption = self.caption, ""
        depth, label = self._label(element)
        if words:
            style = self._style(element)
            own = outline_level(element)
            level = own if own is not None else style.level
            if level is not None:
                self.builder.heading(level, (label or "") + words)
                self.title = self.title or " ".join(words.split())
            elif depth is not None:
                indent = "  " * depth
                self.builder.paragraph(f"{label or '- '}{words}", glue=f"\n{indent}")
            elif style.name in _CAPTIONS:
                self.caption = words
                self.builder.paragraph(words)
            else:
                self.builder.paragraph(words)
        elif caption:
            self.caption = caption  # an empty line between a caption and its table
        self._attached(found)

    def _attached(self, found: DocxWords) -> None:
        """Add what is anchored to a paragraph or cell: text boxes, diagrams, then notes."""
        for box in found.boxes:
            self.run(box)
        for relation in found.diagrams:
            part = self.document.part.rels.get(relation)
            lines = diagram_lines(xml(part.target_part.blob)) if part is not None and not part.is_external else []
            for depth, words in lines:
                self.builder.paragraph(f"- {' '.join(words.split())}", glue="\n" + "  " * depth)
        for kind, note_id in found.references:
            if note := self.notes[kind].get(note_id):
                self.builder.paragraph(f"[{self.numbers[kind, note_id]}] {note}")

    def _table(self, element: etree._Element) -> None:
        cells = [cell for cell in element.iter(TC) if next(cell.iterancestors(TBL)) is element]
        if len(cells) == 1:  # a frame around text
            self.run(cells)
            return
        rows, found = table_rows(element, self.styles, self._cell)
        add_table(self.builder, rows, TablePlace(caption=self.caption, in_text=True))
        self.caption = ""
        for item in found:
            self._attached(item)

    def _style(self, element: etree._Element) -> Style:
        named = element.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
        key = named.get(qn("w:val")) if named is not None else None
        return self.styles.get(key or self.styles.default)

    def _label(self, element: etree._Element) -> tuple[int | None, str | None]:
        """Return (depth of a list item, its number); None for paragraphs outside lists, and for bullets."""
        properties = element.find(qn("w:pPr"))
        if properties is None and not self.styles.get(self.styles.default).list_id:
            return None, None
        style = self._style(element)
        own = properties.find(qn("w:numPr")) if properties is not None else None
        named = own.find(qn("w:numId")) if own is not None else None
        list_id = named.get(qn("w:val")) if named is not None else style.list_id
        if not list_id or list_id == "0":
            return (self._bullet_depth(style), None) if own is None or list_id != "0" else (None, None)
        level = number_of(own.find(qn("w:ilvl")) if own is not None else None, -1)
        if level < 0:
            level = self._style_depth(element, style, list_id)
        level = min(level, LEVELS - 1)
        return max(level, self._bullet_depth(style) or 0), self.numbering.next(list_id, level)

    def _style_depth(self, element: etree._Element, style: Style, list_id: str) -> int:
        """Return the list level of a style, named by the style or by the list."""
        named = element.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
        place = self.numbering.place_of_style(named.get(qn("w:val")) or "") if named is not None else None
        if place is not None and (style.list_level is None or place[0] == list_id):
            return place[1]
        return style.list_level or 0

    def _bullet_depth(self, style: Style) -> int | None:
        """Return the depth of a list style without automatic numbers ("List Bullet 2")."""
        if style.name.startswith("list ") and not style.name.startswith("list paragraph"):
            last = style.name[-1]
            return int(last) - 1 if last.isdecimal() and last != "0" else 0
        return None

    def _notes(self, kind: str) -> dict[str, str]:
        """Return footnotes or endnotes by id."""
        root = _part(self.document, kind)
        return {
            note.get(qn("w:id")) or "": " ".join(DocxWords(note, self.styles).text.split())
            for note in (root if root is not None else ())
            if note.get(qn("w:type")) in (None, "normal")
        }


def _part(document: DocxDocument, kind: str) -> etree._Element | None:
    """Return the root of a part that the document refers to by kind ("styles"); None if there is none."""
    for relation in document.part.rels.values():
        if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
            return xml(relation.target_part.blob)
    return None


def _blocks(body: Iterable[etree._Element]) -> Iterator[etree._Element]:
    """Yield paragraphs and tables in order, also those inside content controls and the like."""
    waiting = list(reversed(list(body)))
    while waiting:
        element = waiting.pop()
        if element.tag in (_P, TBL):
            yield element
        elif element.tag in _OPENED or element.tag == TC:
            waiting.extend(reversed(element))
