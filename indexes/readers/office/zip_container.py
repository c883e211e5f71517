"""Open files that are zip archives inside (docx, pptx, xlsx, epub) within limits, with clear errors.

Faults at which the libraries stop are repaired in a copy in memory: relationships to missing parts (a lost picture, a
target NULL), and strict OOXML, whose names are translated to the transitional ones.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterable
from typing import BinaryIO
from urllib.parse import unquote

from lxml import etree  # type: ignore[import-untyped]

from indexes.errors import ReaderError
from indexes.readers.source_file import SourceFile

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # container of old Office files, and of encrypted new ones
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_STRICT = b"http://purl.oclc.org/ooxml/"
_TRANSITIONAL = b"http://schemas.openxmlformats.org/"
_STRICT_NAME = re.compile(
    rb"http://purl\.oclc\.org/ooxml/(officeDocument|wordprocessingml|drawingml|presentationml|spreadsheetml|schemaLibrary)/?"
)
_REMEDY = "open it in the program that wrote it and save it again, or leave it out"
_MB = 1024 * 1024


def check_zip(file: SourceFile, archive: zipfile.ZipFile) -> None:
    """Reject archives that unpack to more than the settings allow, before unpacking.

    The declared sizes can be relied on, as zipfile never unpacks more of a member than its entry declares.

    >>> from indexes.settings.sections import ReadSettings
    >>> with zipfile.ZipFile(folder / "a.zip", "w") as archive:
    ...     archive.writestr("a.md", "")
    ...     archive.writestr("b.md", "")
    ...     check_zip(SourceFile("a.zip", settings=ReadSettings(archive_max_files=1)), archive)
    Traceback (most recent call last):
        ...
    indexes.errors.ReaderError: 'a.zip' holds 2 files, more than 1; unpack it yourself, or raise
    read.archive_max_files

    Raises:
        ReaderError: too many files, or too large.
    """
    limits = file.settings
    members = archive.infolist()
    if len(members) > limits.archive_max_files:
        raise ReaderError(
            f"'{file}' holds {len(members)} files, more than {limits.archive_max_files}",
            remedy="unpack it yourself, or raise read.archive_max_files",
        )
    size = sum(member.file_size for member in members)
    if size > limits.archive_max_mb * _MB:
        raise ReaderError(
            f"'{file}' unpacks to {size // _MB} MB, more than {limits.archive_max_mb} MB (a zip bomb?)",
            remedy="unpack it yourself, or raise read.archive_max_mb",
        )


def open_zip(file: SourceFile, what: str) -> zipfile.ZipFile:
    """Open the archive of ``file``, within the limits; the caller closes it.

    >>> open_zip(SourceFile("a.docx", data=b"It rains."), "a Word document")
    Traceback (most recent call last):
        ...
    indexes.errors.ReaderError: 'a.docx' is damaged or not a Word document (File is not a zip file); open it in the
    program that wrote it and save it again, or leave it out

    Args:
        what: kind of file for the message ("a Word document").

    Raises:
        ReaderError: the file is locked, of an old format, truncated, not an archive, or over the limits.
    """
    try:
        archive = zipfile.ZipFile(file.path if file.path is not None else io.BytesIO(file.data))
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise _why_no_zip(file, what, error) from error
    try:
        check_zip(file, archive)
    except ReaderError:
        archive.close()
        raise
    return archive


def _why_no_zip(file: SourceFile, what: str, error: Exception) -> ReaderError:
    with file.open() as stream:
        head = stream.read(8)
        encrypted = head == _OLE and _ENCRYPTED in stream.read()
    if head == _OLE:
        if encrypted:
            return ReaderError(f"'{file}' is locked by a password", remedy="save a copy without the password")
        return ReaderError(
            f"'{file}' is a file of the old Office format (.doc, .xls, .ppt) under a new ending",
            remedy=f"save it as {what}",
        )
    if head[:4] == b"PK\x03\x04":
        return ReaderError(
            f"'{file}' is damaged: it is cut off, its end is missing ({error})", remedy="copy or download it again"
        )
    return ReaderError(f"'{file}' is damaged or not {what} ({error})", remedy=_REMEDY)


def office_stream(file: SourceFile, what: str, main: str) -> BinaryIO:
    """Return a stream that python-docx, python-pptx or openpyxl can open.

    >>> with zipfile.ZipFile(folder / "a.docx", "w") as archive:
    ...     archive.writestr("xl/workbook.xml", "<workbook/>")
    >>> office_stream(SourceFile("a.docx", folder / "a.docx"), "a Word document", "word/")
    Traceback (most recent call last):
        ...
    indexes.errors.ReaderError: 'a.docx' is a zip file but not a Word document; open it in the program that wrote it
    and save it again, or leave it out

    Args:
        what: kind of file for the message ("a Word document").
        main: beginning of the main part's name ("word/"), by which the kind of file is recognised.

    Raises:
        ReaderError: as for ``open_zip``, or the archive is another kind of file.
    """
    with open_zip(file, what) as archive:
        names = archive.namelist()
        if not names:
            raise ReaderError(f"'{file}' is an empty archive", remedy=_REMEDY)
        if not any(name.startswith(main) for name in names):
            raise ReaderError(f"'{file}' is a zip file but not {what}", remedy=_REMEDY)
        rels = {name: read_member(file, archive, name) for name in names if name.endswith(".rels")}
        strict = any(_STRICT in data for data in rels.values())
        parts = set(names)
        mended = {name: _without_lost(name, data, parts) for name, data in rels.items()}
        if not strict and mended == rels:
            return file.open()
        if strict:
            file.note("it is strict OOXML and was translated before reading")
        return _copy(file, archive, mended, strict)


def read_member(
    file: SourceFile, archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, pwd: bytes | None = None
) -> bytes:
    """Return the bytes of a member.

    >>> with zipfile.ZipFile(folder / "a.zip", "w") as archive:
    ...     archive.writestr("a.md", "It rains.")
    >>> with zipfile.ZipFile(folder / "a.zip") as archive:
    ...     read_member(SourceFile("a.zip"), archive, "a.md")
    ...     read_member(SourceFile("a.zip"), archive, "b.md")
    Traceback (most recent call last):
        ...
    indexes.errors.ReaderError: 'a.zip' is damaged: its part 'b.md' is missing; open it in the program that wrote it
    and save it again, or leave it out

    Raises:
        ReaderError: it is missing, damaged, locked, or packed with an unknown method.
    """
    shown = name if isinstance(name, str) else name.filename
    try:
        return archive.read(name, pwd)
    except KeyError as error:
        raise ReaderError(f"'{file}' is damaged: its part '{shown}' is missing", remedy=_REMEDY) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ReaderError(f"'{file}' is damaged in its part '{shown}' ({error})", remedy=_REMEDY) from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or a compression that zipfile does not know
        raise ReaderError(f"'{file}' cannot be unpacked at '{shown}' ({error})", remedy=_REMEDY) from error


def xml(data: bytes) -> etree._Element:
    """Parse XML without entities and network; damaged XML as far as possible.

    >>> xml(b"<p>It rains.").text, xml(b'<!DOCTYPE p [<!ENTITY e SYSTEM "file:///etc/passwd">]><p>&e;</p>').text
    ('It rains.', None)
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=True)
    return etree.fromstring(data, parser)


def _without_lost(name: str, data: bytes, parts: set[str]) -> bytes:
    """Return a .rels part without relationships to missing parts."""
    folder = posixpath.dirname(posixpath.dirname(name))
    root = xml(data)
    if root is None:
        return data
    lost = [relation for relation in root if not _leads_somewhere(relation, folder, parts)]
    if not lost:
        return data
    for relation in lost:
        root.remove(relation)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def _leads_somewhere(relation: etree._Element, folder: str, parts: set[str]) -> bool:
    target = relation.get("Target")
    if target is None:
        return False
    if relation.get("TargetMode") == "External":
        return True
    part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
    return part in parts or unquote(part) in parts


def _copy(file: SourceFile, archive: zipfile.ZipFile, mended: dict[str, bytes], strict: bool) -> BinaryIO:
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as target:
        for name in dict.fromkeys(archive.namelist()):
            if name.startswith(("word/media/", "ppt/media/", "xl/media/")):
                data = b""  # pictures are not needed
            else:
                data = mended.get(name) or read_member(file, archive, name)
            if strict and name.endswith((".xml", ".rels")):
                data = _STRICT_NAME.sub(_transitional, data)
            target.writestr(name, data)
    copy.seek(0)
    return copy


def _transitional(match: re.Match[bytes]) -> bytes:
    """Return the transitional name: .../ooxml/wordprocessingml/main becomes .../wordprocessingml/2006/main."""
    end = b"/" if match.group().endswith(b"/") else b""
    return _TRANSITIONAL + match.group(1) + b"/2006" + end


def joined_name(folder: str, target: str) -> str:
    """Return the name of a part from a reference in a part of ``folder``, without fragment.

    >>> joined_name("OEBPS/text", "../images/a.png#x")
    'OEBPS/images/a.png'
    """
    return posixpath.normpath(posixpath.join(folder, unquote(target.partition("#")[0])))


def first_text(root: etree._Element | None, names: Iterable[str]) -> str:
    """Return the words of the first element with one of these local names; "" if there is none.

    >>> first_text(xml(b"<x><dc:title xmlns:dc='dc'> The  mill </dc:title></x>"), ["subject", "title"])
    'The mill'
    """
    if root is None:
        return ""
    wanted = set(names)
    for element in root.iter():
        if isinstance(element.tag, str) and etree.QName(element).localname in wanted:
            words = " ".join("".join(element.itertext()).split())
            if words:
                return words
    return ""
