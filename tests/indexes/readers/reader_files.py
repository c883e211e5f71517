"""Small files of every format, whole and damaged, for the tests of this folder."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from fpdf import FPDF
from llama_index.core import Document

from indexes.readers import read_file
from indexes.readers.outline import Section, outline_of
from indexes.settings.sections import ReadSettings

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_one(path: Path, **settings: object) -> Document:
    """The one Document of a file; its sections tile its text."""
    documents = read_file(path, settings=ReadSettings(**settings))
    assert len(documents) == 1
    check_tiles(documents[0])
    return documents[0]


def check_tiles(document: Document) -> None:
    at = 0
    for section in outline_of(document):
        assert section.start == at < section.end
        at = section.end
    assert at == len(document.text)


def pieces(document: Document) -> list[tuple[str, tuple[str, ...], str]]:
    """(kind, heading path, words) of each section."""
    return [(s.kind, s.heading, document.text[s.start : s.end].strip()) for s in outline_of(document)]


def sections(document: Document) -> list[Section]:
    return outline_of(document)


def zip_of(members: dict[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def changed_zip(data: bytes, changes: dict[str, bytes | None], replace: tuple[bytes, bytes] | None = None) -> bytes:
    """A zip with members changed, added or (None) removed; ``replace`` in all .xml and .rels."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(packed, "w") as target:
        names = [*source.namelist(), *(name for name in changes if name not in source.namelist())]
        for name in names:
            content = changes[name] if name in changes else source.read(name)
            if content is None:
                continue
            if replace and name.endswith((".xml", ".rels")):
                content = content.replace(*replace)
            target.writestr(name, content)
    return packed.getvalue()


def pdf_of(path: Path, pages: list[list[tuple[float, float, str]]], password: str = "") -> Path:
    """Pages of (x, y, text) in millimetres from the upper left."""
    pdf = FPDF()
    pdf.set_auto_page_break(False)
    pdf.set_font("helvetica", size=11)
    for items in pages:
        pdf.add_page()
        for x, y, text in items:
            pdf.text(x, y, text)
    if password:
        pdf.set_encryption(owner_password="owner", user_password=password)
    pdf.output(str(path))
    return path
