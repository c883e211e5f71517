"""Further content of a sheet, read from its XML in one pass: merged ranges, hidden rows and columns, formulas without
a value; and, from referenced parts, comments and text boxes.

openpyxl provides these only with the whole workbook in memory. The pass here keeps 1 MB in memory.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from dataclasses import dataclass, field

from lxml import etree  # type: ignore[import-untyped]

from indexes.readers.office.drawings import sheet_boxes
from indexes.readers.office.zip_container import joined_name, xml

_UNCOMPUTED = re.compile(rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\b[^>]*/>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*\Z")
_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\b[^>]*?\bref=\"([A-Z]{1,3})(\d+):([A-Z]{1,3})(\d+)\"")
_ROW = re.compile(rb"<(?:\w+:)?row\b[^>]*>")
_COL = re.compile(rb"<(?:\w+:)?col\b[^>]*>")
_HIDDEN = re.compile(rb"\bhidden=\"(?:1|true)\"")
_NUMBER = re.compile(rb"\br=\"(\d+)\"")
_MIN, _MAX = re.compile(rb"\bmin=\"(\d+)\""), re.compile(rb"\bmax=\"(\d+)\"")
_PIECE = 1 << 20
_MOST_COLUMNS = 16384
_REF = re.compile(r"([A-Z]{1,3})(\d+)")


@dataclass(slots=True)
class SheetParts:
    """Content of a sheet besides its cells; merges are first row -> (first column, last column, last row), from 1."""

    merges: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    uncomputed: int = 0
    comments: list[tuple[int, int, str]] = field(default_factory=list)
    boxes: list[tuple[int, int, str]] = field(default_factory=list)


def sheet_parts(archive: zipfile.ZipFile, name: str) -> SheetParts:
    """Read the part ``name`` (``xl/worksheets/sheet1.xml``) and what it refers to.

    >>> from openpyxl import Workbook
    >>> book = Workbook()
    >>> book.active.merge_cells("B2:C4")
    >>> book.save(folder / "a.xlsx")
    >>> with zipfile.ZipFile(folder / "a.xlsx") as archive:
    ...     sheet_parts(archive, "xl/worksheets/sheet1.xml").merges
    {2: [(2, 3, 4)]}
    """
    parts = SheetParts()
    with archive.open(name) as stream:
        tail = b""
        while piece := stream.read(_PIECE):
            data = tail + piece
            cut = data.rfind(b"</c>") + 4
            if cut < 4:
                cut = data.rfind(b"<")
            tail = data[cut:]
            _scan(parts, data[:cut])
        _scan(parts, tail)
    for kind, target in _related(archive, name):
        root = _part(archive, target)
        if kind == "comments":
            parts.comments += _comments(root)
        elif kind == "drawing":
            parts.boxes += sheet_boxes(root)
    return parts


def _scan(parts: SheetParts, data: bytes) -> None:
    if b"<f" in data or b":f" in data:
        parts.uncomputed += sum(_UNCOMPUTED.search(cell[-4096:]) is not None for cell in data.split(b"</c>"))
    if b"hidden=" in data:
        for row in _ROW.findall(data):
            number = _NUMBER.search(row)
            if number and _HIDDEN.search(row):
                parts.hidden_rows.add(int(number.group(1)))
        for column in _COL.findall(data):
            first, last = _MIN.search(column), _MAX.search(column)
            if first and last and _HIDDEN.search(column):
                parts.hidden_columns |= set(range(int(first.group(1)), min(int(last.group(1)), _MOST_COLUMNS) + 1))
    if b"mergeCell " in data:
        for left, top, right, bottom in _MERGE.findall(data):
            parts.merges.setdefault(int(top), []).append((column_of(left), column_of(right), int(bottom)))


def column_of(letters: bytes) -> int:
    """Return the number of a column, from 1.

    >>> column_of(b"AB")
    28
    """
    number = 0
    for char in letters:
        number = number * 26 + char - 64
    return number


def _related(archive: zipfile.ZipFile, name: str) -> list[tuple[str, str]]:
    """Return (kind, name) of the parts to which a part refers."""
    folder, base = posixpath.split(name)
    root = _part(archive, f"{folder}/_rels/{base}.rels")
    found = []
    for relation in root if root is not None else ():
        kind = (relation.get("Type") or "").rpartition("/")[2]
        target = relation.get("Target") or ""
        if relation.get("TargetMode") != "External":
            found.append((kind, target.lstrip("/") if target.startswith("/") else joined_name(folder, target)))
    return found


def _part(archive: zipfile.ZipFile, name: str) -> etree._Element | None:
    try:
        return xml(archive.read(name))
    except (KeyError, zipfile.BadZipFile, etree.XMLSyntaxError):
        return None  # a missing or damaged part must not stop the cells


def _comments(root: etree._Element | None) -> list[tuple[int, int, str]]:
    """Return (row, column, words) of the comments of a sheet, ordered by place."""
    found = []
    for comment in root.iter("{*}comment") if root is not None else ():
        match = _REF.fullmatch(comment.get("ref") or "")
        words = " ".join("".join(node.text or "" for node in comment.iter("{*}t")).split())
        if match and words:
            found.append((int(match.group(2)), column_of(match.group(1).encode()), words))
    return sorted(found)
