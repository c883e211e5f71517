"""Damaged, locked, hostile and empty files: one sentence that says which of these it is, or the text that is left."""

from __future__ import annotations

import os
import random
import warnings
import zipfile
from pathlib import Path

import pytest
from docx import Document as new_docx
from openpyxl import Workbook
from pptx import Presentation

from indexes.errors import ReaderError
from indexes.readers import SUFFIXES, read_file
from indexes.readers.outline import notes_of
from indexes.settings.sections import ReadSettings
from tests.indexes.readers.reader_files import OLE, changed_zip, pdf_of, put, read_one, zip_of

IMAGE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"
RELS = {"docx": "word/_rels/document.xml.rels", "pptx": "ppt/slides/_rels/slide1.xml.rels",
        "xlsx": "xl/_rels/workbook.xml.rels"}  # fmt: skip


def office(folder: Path, kind: str) -> bytes:
    path = folder / f"whole.{kind}"
    if kind == "docx":
        document = new_docx()
        document.add_heading("Owls", 1)
        document.add_paragraph("They hunt at night.")
        document.save(str(path))
    elif kind == "pptx":
        deck = Presentation()
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = "Owls"
        slide.placeholders[1].text = "They hunt at night."
        deck.save(str(path))
    else:
        book = Workbook()
        book.active.append(["Owls", "hunt"])
        book.active.append(["They hunt at night.", 1])
        book.save(str(path))
    return path.read_bytes()


KINDS = ["docx", "pptx", "xlsx"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["../NULL", "NULL", "media/lost.png", "file:///C:/lost.png", "https://a.org/x.png"])
def test_lost_null_and_external_pictures_do_not_stop_the_text(tmp_path: Path, kind: str, target: str) -> None:
    data = office(tmp_path, kind)
    for mode in ("", ' TargetMode="External"'):
        lost = f'<Relationship Id="rId99" Type="{IMAGE}" Target="{target}"{mode}/></Relationships>'
        with zipfile.ZipFile(tmp_path / f"whole.{kind}") as archive:
            rels = archive.read(RELS[kind]).replace(b"</Relationships>", lost.encode())
        broken = put(tmp_path, f"broken.{kind}", changed_zip(data, {RELS[kind]: rels}))
        assert "They hunt at night." in read_one(broken).text


@pytest.mark.parametrize("kind", KINDS)
def test_locked_old_cut_and_foreign_files_are_told_apart(tmp_path: Path, kind: str) -> None:
    data = office(tmp_path, kind)
    locked = OLE + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 600
    for content, reason in (
        (locked, "is locked by a password"),
        (OLE + b"\0" * 600, "old Office format"),
        (data[: len(data) // 2], "cut off, its end is missing"),
        (b"plain words", "damaged or not an? "),
        (b"", "is empty"),
        (zip_of({"readme.txt": "hello"}), "is a zip file but not "),
        (zip_of({}), "empty archive"),
    ):
        with pytest.raises(ReaderError, match=reason):
            read_one(put(tmp_path, f"a.{kind}", content))


@pytest.mark.parametrize("kind", KINDS)
def test_strict_ooxml_is_translated_and_noted(tmp_path: Path, kind: str) -> None:
    names = (b"http://schemas.openxmlformats.org/", b"http://purl.oclc.org/ooxml/")
    data = changed_zip(office(tmp_path, kind), {}, replace=names)
    # strict names have no year, but for those of the package itself
    data = changed_zip(data, {}, replace=(b"/ooxml/officeDocument/2006/", b"/ooxml/officeDocument/"))
    for part in (b"wordprocessingml", b"drawingml", b"presentationml", b"spreadsheetml"):
        data = changed_zip(data, {}, replace=(b"/ooxml/" + part + b"/2006/", b"/ooxml/" + part + b"/"))
    data = changed_zip(data, {}, replace=(b"http://purl.oclc.org/ooxml/package", names[0] + b"package"))
    document = read_one(put(tmp_path, f"a.{kind}", data))
    assert "They hunt at night." in document.text
    assert "strict OOXML" in notes_of(document)[0]


def test_empty_documents_say_so(tmp_path: Path) -> None:
    new_docx().save(str(tmp_path / "a.docx"))
    Presentation().save(str(tmp_path / "a.pptx"))
    Workbook().save(str(tmp_path / "a.xlsx"))
    put(tmp_path, "a.ipynb", '{"cells": []}')
    put(tmp_path, "a.json", "[]")
    put(tmp_path, "a.html", "<html></html>")
    put(tmp_path, "a.zip", zip_of({}))
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(ReaderError, match=r"is empty|no file in it"):
            read_file(path)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_noise_is_one_sentence_or_a_document(tmp_path: Path, suffix: str) -> None:
    """No byte of it is taken on trust: random bytes under every ending, and damaged whole files."""
    rng = random.Random(suffix)
    samples = [rng.randbytes(3000), b"PK\x03\x04" + rng.randbytes(500), b"%PDF-1.7\n" + rng.randbytes(800), b"\0" * 64]
    for data in samples:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read_file(put(tmp_path, f"a{suffix}", data))
            except ReaderError as error:
                assert "\n" not in str(error) and "a" + suffix in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes_in_office_files(tmp_path: Path, kind: str) -> None:
    data = office(tmp_path, kind)
    rng = random.Random(kind)
    for _ in range(25):
        broken = bytearray(data)
        for _ in range(6):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        try:
            read_file(put(tmp_path, f"a.{kind}", bytes(broken)))
        except ReaderError as error:
            assert f"a.{kind}" in str(error)


def test_missing_main_parts(tmp_path: Path) -> None:
    for kind, part in (("docx", "word/document.xml"), ("pptx", "ppt/presentation.xml"), ("xlsx", "xl/workbook.xml")):
        data = office(tmp_path, kind)
        for change in (None, b"", b"<w:document"):
            with pytest.raises(ReaderError, match=r"damaged|cannot be read"):
                read_one(put(tmp_path, f"a.{kind}", changed_zip(data, {part: change})))


def test_xml_entities_are_not_opened(tmp_path: Path) -> None:
    put(tmp_path, "secret", "SECRET")
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY a{i} "{"&a" + (str(i - 1) if i else "") + ";"}{"&a;" * 9}">' for i in range(9)
    )
    page = f'{bomb}<!ENTITY s SYSTEM "file://{tmp_path}/secret">]><html><body><p>Owls &s; hunt &a8;.</p></body></html>'
    book = {
        "META-INF/container.xml": '<container><rootfile full-path="b.opf"/></container>',
        "b.opf": bomb + ']><package><manifest><item id="a" href="a.html" media-type="text/html"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>',
        "a.html": page,
    }
    text = read_one(put(tmp_path, "a.epub", zip_of(book))).text
    assert "SECRET" not in text and len(text) < 2000


# ---- archives


def test_zip_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    flat = zip_of({"a.txt": b"0" * (40 << 20), "b.txt": "Words."})
    skipped: list[tuple[str, str]] = []
    documents = read_file(put(tmp_path, "a.zip", flat), on_skip=lambda name, reason: skipped.append((name, reason)))
    assert [document.text for document in documents] == ["Words."]
    assert "zip bomb" in skipped[0][1]
    for settings, reason in (({"archive_max_mb": 8}, "unpacks to 40 MB"), ({"archive_max_files": 1}, "holds 2 files")):
        with pytest.raises(ReaderError, match=reason):
            read_file(tmp_path / "a.zip", settings=ReadSettings(**settings))
    with pytest.raises(ReaderError, match="zip bomb"):
        read_one(put(tmp_path, "b.docx", zip_of({"word/document.xml": b" " * (40 << 20)})), archive_max_mb=8)


def test_zips_within_zips_share_one_budget(tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(700_000).hex()
    inner = zip_of({"a.txt": noise[:900_000]})
    path = put(tmp_path, "a.zip", zip_of({f"{i}.zip": inner for i in range(4)}))
    with pytest.raises(ReaderError, match="unpacks to 1 MB"):
        read_file(put(tmp_path, "b.zip", zip_of({"a.txt": noise})), settings=ReadSettings(archive_max_mb=1))
    documents = read_file(path, settings=ReadSettings(archive_max_mb=3))
    assert len(documents) == 2 and any("more than 3 MB" in note for note in notes_of(documents[0]))


def test_locked_and_damaged_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(zip_of({"a.txt": "Words to read."}, zipfile.ZIP_STORED))
    damaged = bytes(data).replace(b"Words to read.", b"Wards to read.")
    with pytest.raises(ReaderError, match=r"nothing in .* was read.*CRC"):
        read_file(put(tmp_path, "a.zip", damaged))
    for at in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[at] |= 1  # marked as encrypted
    path = put(tmp_path, "b.zip", bytes(data))
    with pytest.raises(ReaderError, match="environment variable RAG_FILE_PASSWORD"):
        read_file(path)
    monkeypatch.setenv("RAG_FILE_PASSWORD", "s3cr3t-word")
    with pytest.raises(ReaderError) as caught:
        read_file(path)
    assert "s3cr3t-word" not in str(caught.value)


# ---- files


def test_names_and_kinds_of_files(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    put(tmp_path, name, "x")
    with pytest.raises(ReaderError, match=r"caf\\xe9.txt' is not UTF-8; rename it") as caught:
        read_file(tmp_path / name)
    str(caught.value).encode("utf-8")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ReaderError, match="device or pipe"):
        read_file(tmp_path / "pipe.txt")
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    with pytest.raises(ReaderError, match="cannot be read"):
        read_file(tmp_path / "loop.txt")


@pytest.mark.slow
def test_deeply_nested_html_and_markdown_take_linear_time(tmp_path: Path) -> None:
    assert read_one(put(tmp_path, "a.html", "<div class=menu>" * 5000 + "<p>Deep.")).text == "Deep."
    assert "Deep." in read_one(put(tmp_path, "a.md", "> " * 5000 + "Deep.")).text
    assert read_one(put(tmp_path, "a.py", "class A" + " " * 100_000 + "\n" * 100_000 + "x")).text


def test_pdf_damage(tmp_path: Path) -> None:
    whole = pdf_of(tmp_path / "a.pdf", [[(20, 40, f"Owls of page {n}.")] for n in range(3)]).read_bytes()
    without_table = whole[: whole.rindex(b"xref")]  # pdfium finds the objects itself
    assert "Owls of page 2." in read_one(put(tmp_path, "b.pdf", without_table)).text
    assert "Owls of page 0." in read_one(put(tmp_path, "c.pdf", b"junk\n" + whole)).text
    with pytest.raises(ReaderError, match=r"damaged or not a PDF \(.*[^.]\);"):
        read_one(put(tmp_path, "d.pdf", whole[:200]))
