"""Old Office files (.doc .xls .ppt), read by ``office_oxide``: headings, paragraphs, lists and tables.

It is an extra, as the package is large: ``pip install 'ragwright[office]'``. It returns a tree of elements; pictures,
comments and tracked deletions are left out, and so are the numbers of lists, which it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, collapse_lines
from indexes.readers.inline import lowered, raised
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.cells import Cell, spread
from indexes.readers.tables.grid import TablePlace, add_table

_INSTALL = "pip install 'ragwright[office]'"
_NUMBERLESS = "lists were read without their numbers"


def read(file: SourceFile) -> Extract:
    """Read an old Office file.

    Raises:
        ReaderError: the extra is missing, or the file is damaged or locked.
    """
    try:
        from office_oxide import Document, OfficeOxideError
    except ImportError as error:
        raise ReaderError(f"'{file}' is of the old Office format, which an extra reads", remedy=_INSTALL) from error
    kind = file.suffix[1:]
    try:
        with Document.from_bytes(file.read_bytes(), kind) as document:  # type: ignore[arg-type]
            tree: dict[str, Any] = document.to_ir()
    except OfficeOxideError as error:
        raise ReaderError(
            f"'{file}' is damaged, locked or not a .{kind} file ({error})", remedy="save it as a new Office file"
        ) from error
    builder = OutlineBuilder()
    walk = _LegacyWalk(builder, file, sheets=kind == "xls")
    sections = tree.get("sections") or []
    for number, section in enumerate(sections, start=1):
        title = str(section.get("title") or "")
        if kind in ("xls", "ppt"):
            builder.leave()
            walk.page = number if kind == "ppt" else None
            walk.where = f"{title}!" if kind == "xls" and title else ""
            if title and kind == "xls":
                builder.enter(1, title)
        walk.elements(section.get("elements") or [])
        if spoken := section.get("speaker_notes"):
            builder.heading(6, "Notes", walk.page)
            walk.elements(spoken)
    metadata = tree.get("metadata") or {}
    return builder.build({"title": str(metadata.get("title") or ""), "author": str(metadata.get("author") or "")})


class _LegacyWalk:
    def __init__(self, builder: OutlineBuilder, file: SourceFile, *, sheets: bool) -> None:
        self.builder, self.file, self.sheets = builder, file, sheets
        self.page: int | None = None
        self.where = ""

    def elements(self, elements: list[Any]) -> None:
        for element in elements:
            kind = element.get("type")
            if kind == "heading":
                self.builder.heading(int(element.get("level") or 1), self._words(element.get("content")), self.page)
            elif kind == "paragraph":
                words = collapse_lines(self._words(element.get("content")))
                if words:
                    self.builder.paragraph(words, self.page)
            elif kind == "list":
                self._list(element)
            elif kind == "table":
                rows = spread(self._rows(element))
                add_table(self.builder, rows, TablePlace(self.where, page=self.page), usual=self.sheets)
            elif isinstance(element.get("content"), list):
                self.elements([item for item in element["content"] if isinstance(item, dict)])

    def _list(self, element: dict[str, Any], depth: int = 0) -> None:
        """Add the items without numbers: the package reports every list as numbered from 1."""
        for item in element.get("items") or []:
            words = " ".join(self._words(item.get("content")).split())
            if words:
                self.file.note(_NUMBERLESS)
                self.builder.paragraph("- " + words, self.page, glue="\n" + "  " * depth)
            nested = item.get("nested")
            if isinstance(nested, dict):
                self._list(nested, depth + 1)

    def _rows(self, table: dict[str, Any]) -> Iterator[tuple[int, list[Cell], bool]]:
        for number, row in enumerate(table.get("rows") or [], start=1):
            cells = []
            for cell in row.get("cells") or []:
                words = " ".join(self._words(cell.get("content")).split())
                cells.append(Cell(words, int(cell.get("col_span") or 1), int(cell.get("row_span") or 1)))
            yield number, cells, bool(row.get("is_header")) and not self.sheets

    def _words(self, content: Any) -> str:
        """Return the words of text runs and of their containers."""
        if isinstance(content, str):
            return content
        parts: list[str] = []
        for item in content if isinstance(content, list) else ():
            if not isinstance(item, dict):
                continue
            kind = item.get("type")
            if kind == "text":
                if item.get("strikethrough"):
                    self.file.leave_out("struck-through passage")
                    continue
                words, align = str(item.get("text") or ""), str(item.get("vertical_align") or "")
                if align in ("superscript", "subscript"):
                    words = (raised if align == "superscript" else lowered)("".join(parts[-3:]), words)
                parts.append(words)
            elif kind in ("line_break", "break"):
                parts.append("\n")
            else:
                parts.append(self._words(item.get("content")) + ("\n" if kind == "paragraph" else ""))
        return "".join(parts)
