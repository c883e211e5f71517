"""Word (.docx): paragraphs, lists and tables in document order, heading styles as heading path.

Content controls are read through. A part that the file names but does not hold (a lost picture) does not stop the text:
the reference to it is taken out of a copy in memory and the copy is read.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from docx import Document as open_docx
from docx.document import Document as DocxDocument
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph
from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, collapse_lines

_HEADING = re.compile(r"(?:heading|标题|標題|überschrift|titre)\s*([1-9])", re.IGNORECASE)
_TITLES = ("title", "标题", "標題")
_OLE = b"\xd0\xcf\x11\xe0"  # an old .doc, or a file encrypted by a password
_REMEDY = "open it in Word or LibreOffice and save it again, or leave it out"


def read(path: Path) -> Extract:
    document = _open(path)
    builder = OutlineBuilder()
    first_heading = None
    for block in _blocks(document):
        if isinstance(block, Table):
            builder.table(_rows(block))
            continue
        words = collapse_lines(block.text)
        if not words:
            continue
        level = _heading_level(block)
        if level is not None:
            builder.heading(level, words)
            first_heading = first_heading or " ".join(words.split())
        elif _is_list_item(block):
            builder.paragraph(f"- {words}", glue="\n")
        else:
            builder.paragraph(words)
    return builder.build({"title": (document.core_properties.title or "").strip() or first_heading})


def _open(path: Path) -> DocxDocument:
    try:
        return open_docx(str(path))
    except KeyError:  # "There is no item named ... in the archive"
        return open_docx(_without_lost_parts(path))
    except (PackageNotFoundError, zipfile.BadZipFile, etree.XMLSyntaxError, ValueError) as error:
        with path.open("rb") as file:
            if file.read(4) == _OLE:
                raise ReaderError(
                    f"'{path}' is an old .doc or is locked by a password", remedy="save it as an unlocked .docx"
                ) from error
        raise ReaderError(f"'{path}' is damaged or no Word document ({error})", remedy=_REMEDY) from error


def _without_lost_parts(path: Path) -> io.BytesIO:
    """A copy of the file without relationships to parts that are not in it."""
    copy = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as target:
        names = set(source.namelist())
        if "word/document.xml" not in names and "[Content_Types].xml" not in names:
            raise ReaderError(f"'{path}' is no Word document", remedy=_REMEDY)
        for name in sorted(names):
            data = source.read(name)
            target.writestr(name, _mended(name, data, names) if name.endswith(".rels") else data)
    copy.seek(0)
    return copy


def _mended(name: str, data: bytes, names: set[str]) -> bytes:
    folder = posixpath.dirname(posixpath.dirname(name))
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root = etree.fromstring(data, parser)
    for relation in list(root):
        target = relation.get("Target", "")
        if relation.get("TargetMode") == "External":
            continue
        part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        if part not in names:
            root.remove(relation)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def _blocks(document: DocxDocument) -> Iterator[Paragraph | Table]:
    """Paragraphs and tables of the body in order; content controls and the like are opened."""
    waiting = list(reversed(document.element.body))
    while waiting:
        element = waiting.pop()
        if element.tag == qn("w:p"):
            yield Paragraph(element, document._body)
        elif element.tag == qn("w:tbl"):
            yield Table(element, document._body)
        elif element.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:smartTag"), qn("w:customXml")):
            waiting.extend(reversed(element))


def _heading_level(paragraph: Paragraph) -> int | None:
    """0 for the title, 1 for Heading 1 and so on; None for body text. Own styles count by what they are based on."""
    level = _outline_level(paragraph._p)
    if level is not None:
        return level
    style = paragraph.style
    for _ in range(10):  # styles based on styles; a circle of them must not hang us
        if style is None:
            return None
        name = style.name or ""
        match = _HEADING.match(name)
        if match:
            return int(match.group(1))
        if name.lower() in _TITLES:
            return 0
        level = _outline_level(style.element)
        if level is not None:
            return level
        style = style.base_style  # type: ignore[assignment]
    return None


def _outline_level(element: etree._Element) -> int | None:
    mark = element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    value = mark.get(qn("w:val")) if mark is not None else None
    return int(value) + 1 if value is not None and value.isdecimal() and int(value) < 9 else None


def _is_list_item(paragraph: Paragraph) -> bool:
    properties = paragraph._p.pPr
    if properties is not None and properties.numPr is not None:
        return True
    return paragraph.style is not None and (paragraph.style.name or "").startswith("List ")


def _rows(table: Table) -> list[list[str]]:
    """Cells of each row; a merged cell counts once, a table in a cell gives its words."""
    rows = []
    for row in table.rows:
        cells: list[str] = []
        last = None
        for cell in row.cells:
            if cell._tc is not last:
                cells.append(_cell_text(cell))
            last = cell._tc
        rows.append(cells)
    return rows


def _cell_text(cell: _Cell) -> str:
    pieces = [node.text or "" for node in cell._tc.iter(qn("w:t"))] if cell.tables else [cell.text]
    return " ".join(" ".join(pieces).split())
