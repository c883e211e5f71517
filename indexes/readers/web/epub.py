"""E-books (.epub): the chapters in the order of the spine, with their own headings or the table of contents'."""

from __future__ import annotations

import posixpath
import re
import zipfile

from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder
from indexes.readers.decode import decode
from indexes.readers.office.zip_container import first_text, joined_name, open_zip, read_member, xml
from indexes.readers.source_file import SourceFile
from indexes.readers.web.html import add_page

_REMEDY = "convert it again from its source, or leave it out"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_FONTS = (
    "http://www.idpf.org/2008/embedding",
    "http://ns.adobe.com/pdf/enc#RC",
)  # fonts may be obfuscated in unprotected books
# In XHTML <title/> and <a id="x"/> are closed; an HTML parser leaves them open, and they swallow what follows.
_CLOSED = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)([a-zA-Z][\w:-]*)((?:\s[^<>]*?)?)/>"
)


def read(file: SourceFile) -> Extract:
    r"""Read an e-book.

    >>> parts = {
    ...     "META-INF/container.xml": '<container><rootfile full-path="book.opf"/></container>',
    ...     "book.opf": '<package><item id="a" href="a.html"/><itemref idref="a"/></package>',
    ...     "a.html": "<h1>The mill</h1><p>It turns again.</p>",
    ... }
    >>> with zipfile.ZipFile(folder / "a.epub", "w") as archive:
    ...     for name, text in parts.items():
    ...         archive.writestr(name, text)
    >>> read(SourceFile("a.epub", folder / "a.epub")).text
    'The mill\n\nIt turns again.'
    """
    with open_zip(file, "an e-book (epub)") as archive:
        names = set(archive.namelist())
        _refuse_protected(file, archive, names)
        package = _package_name(file, archive, names)
        root = xml(read_member(file, archive, package))
        if root is None:
            raise ReaderError(f"'{file}' is damaged: its package file is not XML", remedy=_REMEDY)
        folder = posixpath.dirname(package)
        items = {item.get("id"): item for item in _all(root, "item")}
        spine = [items[ref.get("idref")] for ref in _all(root, "itemref") if ref.get("idref") in items]
        pages = [item for item in spine if (item.get("media-type") or "application/xhtml+xml") in _PAGES]
        if not pages:
            raise ReaderError(f"'{file}' is damaged: its package file lists no chapters", remedy=_REMEDY)
        contents = _contents(file, archive, folder, list(items.values()), names)
        builder = OutlineBuilder()
        lost = 0
        for item in pages:
            name = joined_name(folder, item.get("href") or "")
            if name not in names:
                lost += 1
                continue
            if "nav" in (item.get("properties") or "").split():
                continue  # the table of contents itself
            _add_chapter(file, builder, read_member(file, archive, name), name, contents.get(name, ""))
    if lost:
        file.note(f"{lost} of its chapters are listed but missing")
    return builder.build({"title": first_text(root, ["title"]), "author": first_text(root, ["creator"])})


def _add_chapter(file: SourceFile, builder: OutlineBuilder, data: bytes, name: str, contents_title: str) -> None:
    if not data.strip():
        return
    declared = re.search(rb"encoding=[\"']([-\w.]+)", data[:200])
    text, _ = decode(file, data, declared.group(1).decode("ascii", "replace") if declared else None)
    builder.place = name.rpartition("/")[2]
    builder.leave()
    add_page(builder, _CLOSED.sub(r"<\1\2></\1>", text), file, title=contents_title)


def _all(root: etree._Element, local_name: str) -> list[etree._Element]:
    return [item for item in root.iter() if isinstance(item.tag, str) and etree.QName(item).localname == local_name]


def _package_name(file: SourceFile, archive: zipfile.ZipFile, names: set[str]) -> str:
    if "META-INF/container.xml" in names:
        root = xml(read_member(file, archive, "META-INF/container.xml"))
        for item in _all(root, "rootfile") if root is not None else []:
            if item.get("full-path") in names:
                return item.get("full-path") or ""
    found = sorted(name for name in names if name.lower().endswith(".opf"))
    if not found:
        raise ReaderError(f"'{file}' is damaged or not an e-book: it has no package file (.opf)", remedy=_REMEDY)
    return found[0]


def _refuse_protected(file: SourceFile, archive: zipfile.ZipFile, names: set[str]) -> None:
    if "META-INF/encryption.xml" not in names:
        return
    root = xml(read_member(file, archive, "META-INF/encryption.xml"))
    methods = [item.get("Algorithm") for item in _all(root, "EncryptionMethod")] if root is not None else []
    if any(method not in _FONTS for method in methods):
        raise ReaderError(f"'{file}' is protected against copying (DRM)", remedy="leave it out")


def _contents(
    file: SourceFile, archive: zipfile.ZipFile, folder: str, items: list[etree._Element], names: set[str]
) -> dict[str, str]:
    """Return the titles of the table of contents by the name of the chapter's part; of several, the first."""
    titles: dict[str, str] = {}
    for item in items:
        name = joined_name(folder, item.get("href") or "")
        is_nav = "nav" in (item.get("properties") or "").split()
        if name not in names or not (is_nav or item.get("media-type") == "application/x-dtbncx+xml"):
            continue
        root = xml(read_member(file, archive, name))
        if root is None:
            continue
        here = posixpath.dirname(name)
        for point in _all(root, "a" if is_nav else "navPoint"):
            target = point.get("href") if is_nav else next((c.get("src") for c in _all(point, "content")), None)
            words = " ".join("".join(point.itertext()).split()) if is_nav else first_text(point, ["text"])
            if target and words:
                titles.setdefault(joined_name(here, target), words)
    return titles
