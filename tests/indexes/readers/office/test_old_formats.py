# ruff: noqa: E501 - markup breaks where its elements do
"""Rich text, OpenDocument, old Office files, mail."""

from __future__ import annotations

import lzma
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest
import xlwt

from indexes.errors import ReaderError
from indexes.readers import read_file
from indexes.readers.outline import notes_of
from tests.indexes.readers.reader_files import pieces, put, read_one, zip_of

RTF = r"""{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fnil\fcharset0 Arial;}{\f1\fnil\fcharset134 SimSun;}}
{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}}{\info{\title The lease}{\author A. Lind}}
\pard\s1 The mill\par
\pard {\listtext 1.\tab}It was built in 1932{\super 3}. It holds 10{\super 6} litres \endash  caf\'e9.\par
\pard {\strike Gone.} \f1\'c4\'e3\'ba\'c3\f0 \u19990?\u30028?{\v secret}\par
\trowd\cellx1000\cellx2000\pard\intbl\b Ware\b0\cell\b Price\b0\cell\row
\trowd\cellx1000\cellx2000\pard\intbl tea\cell 3\cell\row
\pard Last.{\*\generator X;}\par}"""


def test_rtf(tmp_path: Path) -> None:
    document = read_one(put(tmp_path, "a.rtf", RTF))
    assert document.metadata["title"] == "The lease"
    assert pieces(document) == [
        ("heading", ("The mill",), "The mill"),
        ("text", ("The mill",), "1. It was built in 1932[3]. It holds 10^6 litres – café.\n\n你好世界"),
        ("table", ("The mill",), "| Ware | Price |\n| --- | --- |\n| tea | 3 |"),
        ("text", ("The mill",), "Last."),
    ]
    assert notes_of(document) == ["left out: 1 hidden passage, 1 struck-through passage"]
    with pytest.raises(ReaderError, match="not rich text"):
        read_file(put(tmp_path, "b.rtf", "plain"))


NAMES = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in (("office", "office"), ("text", "text"), ("table", "table"), ("style", "style"),
                        ("fo", "xsl-fo-compatible"))
)  # fmt: skip
ODT = f"""<office:document-content {NAMES}><office:automatic-styles>
<style:style style:name="T1"><style:text-properties style:text-position="super 58%"/></style:style>
<style:style style:name="T2"><style:text-properties style:text-line-through-style="solid"/></style:style>
<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="a" style:num-suffix=")"
 text:start-value="2"/></text:list-style></office:automatic-styles><office:body><office:text>
<text:h text:outline-level="1">The mill</text:h>
<text:p>It holds 10<text:span text:style-name="T1">6</text:span> litres<text:note><text:note-citation>1</text:note-citation>
<text:note-body><text:p>By the plan.</text:p></text:note-body></text:note>.<text:span text:style-name="T2">Gone.</text:span></text:p>
<text:list text:style-name="L1"><text:list-item><text:p>rye</text:p></text:list-item><text:list-item><text:p>oats</text:p>
</text:list-item></text:list><table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>City</text:p>
</table:table-cell><table:table-cell><text:p>Store</text:p></table:table-cell></table:table-row></table:table-header-rows>
<table:table-row><table:table-cell table:number-rows-spanned="2"><text:p>Ulm</text:p></table:table-cell><table:table-cell>
<text:p>Nord</text:p></table:table-cell></table:table-row><table:table-row><table:covered-table-cell/><table:table-cell>
<text:p>West</text:p></table:table-cell></table:table-row></table:table></office:text></office:body></office:document-content>"""


def test_odt(tmp_path: Path) -> None:
    document = read_one(put(tmp_path, "a.odt", zip_of({"content.xml": ODT, "mimetype": "x"})))
    assert pieces(document) == [
        ("heading", ("The mill",), "The mill"),
        ("text", ("The mill",), "It holds 10^6 litres[1].\n\n[1] By the plan.\nb) rye\nc) oats"),
        ("table", ("The mill",), "| City | Store |\n| --- | --- |\n| Ulm | Nord |\n| Ulm | West |"),
    ]
    assert notes_of(document) == ["left out: 1 struck-through passage"]
    with pytest.raises(ReaderError, match="not an OpenDocument text"):
        read_file(put(tmp_path, "b.odt", zip_of({"x": "x"})))


def test_xls(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Prices")
    for row, cells in enumerate((("Ware", "Price"), ("tea", 3), ("cup", 2.5))):
        for column, value in enumerate(cells):
            sheet.write(row, column, value)
    book.save(str(tmp_path / "a.xls"))
    document = read_one(tmp_path / "a.xls")
    assert [(kind, words) for kind, _, words in pieces(document)] == [
        ("table", "| Ware | Price |\n| --- | --- |\n| tea | 3 |\n| cup | 2.5 |")
    ]
    for name in ("b.doc", "b.xls", "b.ppt"):
        with pytest.raises(ReaderError, match="damaged, locked or not"):
            read_file(put(tmp_path, name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600))


def packed(name: str) -> bytes:
    """A file that LibreOffice wrote."""
    return lzma.decompress((Path(__file__).parent / f"{name}.xz").read_bytes())


def test_doc_and_ppt(tmp_path: Path) -> None:
    document = read_one(put(tmp_path, "mill.doc", packed("mill.doc")))
    assert pieces(document) == [
        ("heading", ("The mill",), "The mill"),
        ("text", ("The mill",), "It holds 10^6 litres, 每年磨面。\n- rye\n- oats"),
        ("table", ("The mill",), "|  |  |\n| --- | --- |\n| Ware | Price |\n| tea | 3 |"),
    ]
    assert notes_of(document) == ["lists were read without their numbers", "left out: 1 struck-through passage"]
    slides = read_one(put(tmp_path, "mill.ppt", packed("mill.ppt")))
    assert slides.text == "The mill\n\nIt holds flour\n\n每年磨面\n\nNotes\n\nThank the miller."


def test_old_office_files_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "office_oxide", None)
    with pytest.raises(ReaderError, match=r"which an extra reads; pip install 'ragwright\[office\]'"):
        read_file(put(tmp_path, "a.doc", b"x"))


def mail() -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"] = "磨坊 lease", "Ann Lind <ann@example.org>"
    message["To"], message["Date"] = "bo@example.org", "Fri, 03 May 2024 09:30:00 +0200"
    message.set_content("The lease begins in May.\nIt is long.\n\nAnn")
    message.add_attachment("a,b\n1,2\n", subtype="csv", filename="prices.csv")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png")
    return message


def test_mail_and_its_attachments(tmp_path: Path) -> None:
    path = put(tmp_path, "a.eml", mail().as_bytes())
    skipped: list[tuple[str, str]] = []
    documents = read_file(path, on_skip=lambda name, reason: skipped.append((name, reason)))
    root = path.resolve().as_posix()
    assert [document.node_id for document in documents] == [root, f"{root}!/prices.csv"]
    first = documents[0]
    assert first.metadata["title"] == "磨坊 lease" and first.metadata["date"] == "2024-05-03T09:30:00+02:00"
    assert "From: Ann Lind <ann@example.org>" in first.text
    assert first.text.endswith("The lease begins in May.\nIt is long.\n\nAnn")
    assert [name for name, _ in skipped] == [f"{root}!/logo.png"]
    html = EmailMessage()
    html["Subject"] = "x"
    html.set_content("<p>Owls <s>sleep</s> hunt.</p>", subtype="html")
    assert "Owls hunt." in read_one(put(tmp_path, "b.eml", html.as_bytes())).text
    with pytest.raises(ReaderError, match="it has no headers"):
        read_file(put(tmp_path, "c.eml", "\nonly words"))
