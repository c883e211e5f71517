"""OpenDocument text (.odt): headings, paragraphs, lists with their numbers, tables, notes.

Left out: tracked deletions, comments, pictures, readings of characters; struck-through and hidden text, counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, collapse_lines
from indexes.readers.inline import lowered, raised
from indexes.readers.numerals import html_mark
from indexes.readers.office.zip_container import first_text, open_zip, read_member, xml
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.cells import Cell, spread
from indexes.readers.tables.grid import TablePlace, add_table

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_REMEDY = "open it in LibreOffice and save it again, or leave it out"
_SKIPPED = frozenset(
    (
        f"{_OFFICE}annotation",
        f"{_TEXT}tracked-changes",
        f"{_TEXT}ruby-text",
        f"{_TEXT}note-citation",
        f"{_TEXT}hidden-text",
    )
)
_MOST_REPEATED = 200


@dataclass(slots=True)
class _Styles:
    """Text styles (raised, lowered, struck through, hidden, bold), and number formats of list styles by level."""

    looks: dict[str, str] = field(default_factory=dict)
    bold: set[str] = field(default_factory=set)
    lists: dict[str, dict[int, tuple[str, str, str, int]]] = field(default_factory=dict)


def read(file: SourceFile) -> Extract:
    r"""Read an OpenDocument text.

    >>> import zipfile
    >>> names = f'xmlns:o="{_OFFICE[1:-1]}" xmlns:t="{_TEXT[1:-1]}"'
    >>> text = f"<o:x {names}><o:body><o:text><t:h>Care</t:h><t:p>Dry it.</t:p></o:text></o:body></o:x>"
    >>> with zipfile.ZipFile(folder / "a.odt", "w") as archive:
    ...     archive.writestr("content.xml", text)
    >>> read(SourceFile("a.odt", folder / "a.odt")).text
    'Care\n\nDry it.'
    """
    with open_zip(file, "an OpenDocument text") as archive:
        names = set(archive.namelist())
        if "content.xml" not in names:
            raise ReaderError(f"'{file}' is a zip file but not an OpenDocument text", remedy=_REMEDY)
        if "META-INF/manifest.xml" in names and b"encryption-data" in read_member(
            file, archive, "META-INF/manifest.xml"
        ):
            raise ReaderError(f"'{file}' is locked by a password", remedy="save a copy without the password")
        content = xml(read_member(file, archive, "content.xml"))
        named = xml(read_member(file, archive, "styles.xml")) if "styles.xml" in names else None
        meta = xml(read_member(file, archive, "meta.xml")) if "meta.xml" in names else None
    body = content.find(f"{_OFFICE}body/{_OFFICE}text") if content is not None else None
    if body is None:
        raise ReaderError(f"'{file}' is damaged or not an OpenDocument text", remedy=_REMEDY)
    styles = _Styles()
    for root in (named, content):
        if root is not None:
            _load(styles, root)
    builder = OutlineBuilder()
    walk = _OdtWalk(builder, file, styles)
    walk.run(body)
    author = first_text(meta, ["creator", "initial-creator"])
    return builder.build({"title": first_text(meta, ["title"]) or walk.title, "author": author})


def _load(styles: _Styles, root: etree._Element) -> None:
    for style in root.iter(f"{_STYLE}style"):
        name = style.get(f"{_STYLE}name") or ""
        for properties in style.iter(f"{_STYLE}text-properties"):
            position = properties.get(f"{_STYLE}text-position") or ""
            line = properties.get(f"{_STYLE}text-line-through-style") or properties.get(
                f"{_STYLE}text-line-through-type"
            )
            if line not in (None, "none"):
                styles.looks[name] = "struck"
            elif properties.get("{*}display") == "none" or properties.get(f"{_TEXT}display") == "none":
                styles.looks[name] = "hidden"
            elif position.startswith(("super", "sub", "-")) or position[:1].isdigit():
                styles.looks[name] = "sub" if position.startswith(("sub", "-")) else "super"
            weight = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}font-weight"
            if properties.get(weight) == "bold":
                styles.bold.add(name)
    for item in root.iter(f"{_TEXT}list-style"):
        levels = styles.lists.setdefault(item.get(f"{_STYLE}name") or "", {})
        for level in item:
            at = level.get(f"{_TEXT}level") or "1"
            if level.tag == f"{_TEXT}list-level-style-number" and at.isdecimal():
                start = level.get(f"{_TEXT}start-value") or "1"
                form = level.get(f"{_STYLE}num-format") or ""
                prefix, suffix = level.get(f"{_STYLE}num-prefix") or "", level.get(f"{_STYLE}num-suffix") or ""
                levels[int(at)] = (form, prefix, suffix, int(start) if start.isdecimal() else 1)


class _OdtWalk:
    def __init__(self, builder: OutlineBuilder, file: SourceFile, styles: _Styles) -> None:
        self.builder, self.file, self.styles = builder, file, styles
        self.title = ""
        self.notes: list[str] = []
        self.noted = 0

    def run(self, body: etree._Element) -> None:
        for element in body:
            tag = element.tag
            if tag == f"{_TEXT}h":
                level = element.get(f"{_TEXT}outline-level") or "1"
                words = collapse_lines(self._words(element))
                self.builder.heading(int(level) if level.isdecimal() else 1, words)
                self.title = self.title or " ".join(words.split())
            elif tag == f"{_TEXT}p":
                self.builder.paragraph(collapse_lines(self._words(element)))
            elif tag == f"{_TEXT}list":
                self._list(element, element.get(f"{_TEXT}style-name") or "", 1)
            elif tag == f"{_TABLE}table":
                add_table(self.builder, spread(self._rows(element)), TablePlace())
            elif isinstance(tag, str) and tag not in _SKIPPED and tag != f"{_TEXT}table-of-content":
                self.run(element)
            while self.notes:
                self.builder.paragraph(self.notes.pop(0))

    def _list(self, element: etree._Element, style: str, depth: int) -> None:
        form, prefix, suffix, number = self.styles.lists.get(style, {}).get(depth, ("", "", "", 1))
        for item in element:
            if item.tag not in (f"{_TEXT}list-item", f"{_TEXT}list-header"):
                continue
            own = item.get(f"{_TEXT}start-value")
            number = int(own) if own is not None and own.isdecimal() else number
            mark = f"{prefix}{html_mark(number, form).rstrip('. 、')}{suffix} " if form else "- "
            first = item.tag == f"{_TEXT}list-item"
            for child in item:
                if child.tag == f"{_TEXT}list":
                    self._list(child, child.get(f"{_TEXT}style-name") or style, depth + 1)
                elif child.tag == f"{_TEXT}h":
                    level = child.get(f"{_TEXT}outline-level") or "1"
                    self.builder.heading(int(level), (mark if form else "") + self._words(child))
                elif words := collapse_lines(self._words(child)):
                    self.builder.paragraph((mark if first else "") + words, glue="\n" + "  " * (depth - 1))
                    first = False
            number += item.tag == f"{_TEXT}list-item"

    def _rows(self, table: etree._Element) -> Iterator[tuple[int, list[Cell], bool]]:
        for row in table.iter(f"{_TABLE}table-row"):
            if next(row.iterancestors(f"{_TABLE}table")) is not table:
                continue
            cells: list[Cell] = []
            for cell in row:
                if cell.tag != f"{_TABLE}table-cell":
                    continue  # covered by another cell
                times = min(_number(cell.get(f"{_TABLE}number-columns-repeated")), _MOST_REPEATED)
                paragraphs = list(cell.iter(f"{_TEXT}p", f"{_TEXT}h"))
                words = " ".join(" ".join(self._words(paragraph) for paragraph in paragraphs).split())
                across = _number(cell.get(f"{_TABLE}number-columns-spanned"))
                down = _number(cell.get(f"{_TABLE}number-rows-spanned"))
                bold = bool(words) and all(
                    self._is_bold(item) for item in paragraphs if "".join(item.itertext()).strip()
                )
                cells += [Cell(words, across, down, bold=bold)] * times
            parent = row.getparent()
            yield 0, cells, parent is not None and parent.tag == f"{_TABLE}table-header-rows"

    def _is_bold(self, paragraph: etree._Element) -> bool:
        if paragraph.get(f"{_TEXT}style-name") in self.styles.bold:
            return True
        spans = list(paragraph.iter(f"{_TEXT}span"))
        return (
            not (paragraph.text or "").strip()
            and bool(spans)
            and all(span.get(f"{_TEXT}style-name") in self.styles.bold for span in spans)
        )

    def _words(self, element: etree._Element) -> str:
        parts: list[str] = [element.text or ""]
        for child in element:
            tag = child.tag
            if tag == f"{_TEXT}s":
                parts.append(" " * _number(child.get(f"{_TEXT}c")))
            elif tag == f"{_TEXT}tab":
                parts.append("\t")
            elif tag == f"{_TEXT}line-break":
                parts.append("\n")
            elif tag == f"{_TEXT}note":
                self.noted += 1
                parts.append(f"[{self.noted}]")
                bodies = child.findall(f"{_TEXT}note-body")
                self.notes.append(f"[{self.noted}] {' '.join(' '.join(self._words(item) for item in bodies).split())}")
            elif tag == f"{_TEXT}ruby-text":
                self.file.leave_out("reading of characters")
            elif isinstance(tag, str) and tag not in _SKIPPED:
                parts.append(self._run(child, "".join(parts[-4:])))
            parts.append(child.tail or "")
        return "".join(parts)

    def _run(self, element: etree._Element, before: str) -> str:
        look = self.styles.looks.get(element.get(f"{_TEXT}style-name") or "", "")
        words = self._words(element)
        if look in ("struck", "hidden"):
            if words.strip():
                self.file.leave_out("struck-through passage" if look == "struck" else "hidden passage")
            return ""
        if look:
            return (raised if look == "super" else lowered)(before, words)
        return words + ("\n" if element.tag == f"{_TEXT}p" else "")


def _number(value: str | None) -> int:
    return max(int(value), 1) if value is not None and value.isdecimal() else 1
