"""Properties of a file: author, keywords, dates, from Office properties, HTML meta, epub and PDF information.

They are read separately from the text, so that a fault costs the property, not the file. ``creation_date`` and
``last_modified_date`` have LlamaIndex's names; a file without its own date has that of the file system.
"""

from __future__ import annotations

import contextlib
import html
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from indexes.readers.front_matter import MAX_VALUE
from indexes.readers.source_file import SourceFile

MAX_XML = 1 << 20
HEAD_BYTES = 1 << 17
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_PDF_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?")
_META = re.compile(r"<meta\b([^>]{1,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-z:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_HTML_NAMES = {
    "author": "author", "dc.creator": "author", "article:author": "author", "keywords": "keywords",
    "date": "created", "dc.date": "created", "dcterms.created": "created", "article:published_time": "created",
    "pubdate": "created", "last-modified": "modified", "dcterms.modified": "modified",
    "article:modified_time": "modified", "revised": "modified",
}  # fmt: skip
_XML_NAMES = {
    "creator": "author", "keywords": "keywords", "subject": "subject", "created": "created", "modified": "modified",
}  # fmt: skip


def properties_of(file: SourceFile, file_type: str) -> dict[str, Any]:
    """Return author, keywords, subject, created and modified, if the file has them, with dates as ISO text.

    >>> page = b'<html><head><meta name="author" content="Ada"><meta name="date" content="2026-03-18"></head></html>'
    >>> properties_of(SourceFile("a.html", data=page), "html")
    {'author': 'Ada', 'created': '2026-03-18'}
    """
    look = _LOOKS.get(file_type)
    if look is None:
        return {}
    found: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # the text has been read: properties may be missing or broken
        found = look(file)
    return {key: value for key, raw in found.items() if (value := _tidy(key, raw))}


def file_metadata(file: SourceFile, source: str, file_type: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return names and dates under LlamaIndex's keys.

    >>> file_metadata(SourceFile("docs.zip!/a.pdf"), "docs.zip!/a.pdf", "pdf", {"created": "2026-03-18T10:00"})
    {'file_name': 'a.pdf', 'file_path': 'docs.zip!/a.pdf', 'file_type': 'pdf', 'creation_date': '2026-03-18'}
    """
    found = {"file_name": PurePosixPath(file.name).name, "file_path": source, "file_type": file_type}
    for key, name in (("created", "creation_date"), ("modified", "last_modified_date")):
        if match := _ISO_DAY.match(str(properties.get(key, ""))):
            found[name] = match.group()
    if "last_modified_date" not in found and file.path is not None:
        found["last_modified_date"] = day_of(file.path.stat().st_mtime_ns)
    return found


def day_of(mtime_ns: int) -> str:
    """Return the day (UTC) of a file's time, as LlamaIndex's reader does; "" if it is out of range.

    >>> day_of(1_700_000_000 * 10**9)
    '2023-11-14'
    """
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, tz=UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return ""


def _tidy(key: str, raw: Any) -> Any:
    if key == "keywords":
        words = raw if isinstance(raw, list) else re.split(r"[,;，；、]", str(raw))
        found = [" ".join(str(word).split()) for word in words]
        return [word for word in dict.fromkeys(found) if word][:40]
    text = " ".join(str(raw or "").replace("\0", "").split())
    if key in ("created", "modified") and not _ISO_DAY.match(text):
        return None
    return text[:MAX_VALUE]


def _office(file: SourceFile) -> dict[str, Any]:
    with zipfile.ZipFile(file.path if file.path is not None else file.open()) as archive:
        return _xml_values(_member(archive, "docProps/core.xml"))


def _epub(file: SourceFile) -> dict[str, Any]:
    with zipfile.ZipFile(file.path if file.path is not None else file.open()) as archive:
        container = _member(archive, "META-INF/container.xml").decode("utf-8", "replace")
        path = re.search(r"full-path\s*=\s*[\"']([^\"']+)", container)
        package = _member(archive, path.group(1)) if path else b""
    text = package.decode("utf-8", "replace")
    found: dict[str, Any] = {}
    authors = re.findall(r"<dc:creator\b[^>]*>([^<]+)<", text)
    subjects = re.findall(r"<dc:subject\b[^>]*>([^<]+)<", text)
    for key, pattern in (("created", r"<dc:date\b[^>]*>([^<]+)<"), ("modified", r"dcterms:modified\"[^>]*>([^<]+)<")):
        if match := re.search(pattern, text):
            found[key] = match.group(1)
    return found | {
        "author": ", ".join(html.unescape(author.strip()) for author in authors),
        "keywords": [html.unescape(subject) for subject in subjects],
    }


def _pdf(file: SourceFile) -> dict[str, Any]:
    import pypdfium2

    from indexes.readers.pdf.strings import info

    content = file.path if file.path is not None else file.read_bytes()
    with contextlib.closing(pypdfium2.PdfDocument(content, file.password())) as document:
        values = {key: info(document, key) for key in ("Author", "Keywords", "Subject", "CreationDate", "ModDate")}
    found: dict[str, Any] = {
        "author": values.get("Author"),
        "keywords": values.get("Keywords"),
        "subject": values.get("Subject"),
    }
    for key, name in (("created", "CreationDate"), ("modified", "ModDate")):
        if match := _PDF_DATE.match(values.get(name) or ""):
            year, month, day, *clock = match.groups()
            found[key] = f"{year}-{month or '01'}-{day or '01'}"
            if all(clock):
                found[key] += "T" + ":".join(clock)
    return found


def _html(file: SourceFile) -> dict[str, Any]:
    with file.open() as stream:
        raw = stream.read(HEAD_BYTES)
    charset = re.search(rb"charset\s*=\s*[\"']?([\w-]+)", raw[:4096], re.IGNORECASE)
    try:
        text = raw.decode(charset.group(1).decode() if charset else "utf-8", "replace")
    except LookupError:
        text = raw.decode("utf-8", "replace")
    found: dict[str, Any] = {}
    for meta in _META.findall(text):
        attributes = {name.lower(): a or b or c for name, a, b, c in _ATTRIBUTE.findall(meta)}
        name = attributes.get("name") or attributes.get("property") or attributes.get("http-equiv") or ""
        key = _HTML_NAMES.get(name.lower())
        if key and attributes.get("content"):
            found.setdefault(key, html.unescape(attributes["content"]))
    return found


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        return stream.read(MAX_XML)


def _xml_values(raw: bytes) -> dict[str, Any]:
    """Return the values of a flat XML file by local name, found by pattern."""
    text = raw.decode("utf-8", "replace")
    found: dict[str, Any] = {}
    for tag, value in re.findall(r"<(?:\w+:)?(\w+)(?:\s[^<>]*)?>([^<]+)</", text):
        if key := _XML_NAMES.get(tag):
            found.setdefault(key, html.unescape(value))
    return found


_LOOKS: dict[str, Callable[[SourceFile], dict[str, Any]]] = {
    "docx": _office, "pptx": _office, "xlsx": _office, "epub": _epub, "pdf": _pdf, "html": _html,
}  # fmt: skip
