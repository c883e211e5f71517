"""Word, PowerPoint, Excel and csv: what is kept, where it is found again."""

from __future__ import annotations

import csv
import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from docx import Document as new_docx
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from openpyxl import Workbook
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from indexes.readers.outline import notes_of
from tests.indexes.readers.reader_files import changed_zip, pieces, put, read_one, sections

W = nsdecls("w")
NOTES = (
    f'<w:footnotes {W}><w:footnote w:type="separator" w:id="-1"><w:p/></w:footnote>'
    '<w:footnote w:id="2"><w:p><w:r><w:t>See the owl book.</w:t></w:r></w:p></w:footnote></w:footnotes>'
)
BOX = (
    f'<w:r {W} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:AlternateContent>'
    '<mc:Choice Requires="wps"><w:drawing><w:txbxContent><w:p><w:r><w:t>In a box.</w:t></w:r></w:p></w:txbxContent>'
    "</w:drawing></mc:Choice><mc:Fallback><w:pict><w:txbxContent><w:p><w:r><w:t>In a box.</w:t></w:r></w:p>"
    "</w:txbxContent></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
)


def rich_docx(path: Path) -> Path:
    document = new_docx()
    document.sections[0].header.paragraphs[0].text = "Confidential header"
    document.sections[0].footer.paragraphs[0].text = "Footer words"
    own = document.add_paragraph("Own level")
    own._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {W} w:val="0"/>'))
    noted = document.add_paragraph("Owls hunt at night")
    noted._p.append(parse_xml(f'<w:r {W}><w:footnoteReference w:id="2"/></w:r>'))
    noted._p.append(parse_xml(f"<w:del {W}><w:r><w:delText>gone</w:delText></w:r></w:del>"))
    noted._p.append(parse_xml(f'<w:ins {W}><w:r><w:t xml:space="preserve"> and rest.</w:t></w:r></w:ins>'))
    document.add_paragraph("Beside")._p.append(parse_xml(BOX))
    document.add_paragraph("first", style="List Bullet")
    document.add_paragraph("deeper", style="List Bullet 2")
    document.add_paragraph("Table 1: prices", style="Caption")
    table = document.add_table(rows=3, cols=2)
    for cell, words in zip(table._cells, ("kind", "price", "tea", "3", "", "4"), strict=True):
        cell.text = words
    table.cell(1, 0).merge(table.cell(2, 0))
    document.save(str(path))
    data = path.read_bytes()
    rel = (
        b'<Relationship Id="rId77" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"'
        b' Target="footnotes.xml"/></Relationships>'
    )
    kind = (
        b'<Override PartName="/word/footnotes.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        b'wordprocessingml.footnotes+xml"/></Types>'
    )
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        rels, types = archive.read("word/_rels/document.xml.rels"), archive.read("[Content_Types].xml")
    return put(
        path.parent,
        path.name,
        changed_zip(
            data,
            {
                "word/footnotes.xml": NOTES.encode(),
                "word/_rels/document.xml.rels": rels.replace(b"</Relationships>", rel),
                "[Content_Types].xml": types.replace(b"</Types>", kind),
            },
        ),
    )


def test_docx_in_depth(tmp_path: Path) -> None:
    document = read_one(rich_docx(tmp_path / "a.docx"))
    heading = ("Own level",)
    assert pieces(document) == [
        ("heading", heading, "Own level"),
        (
            "text",
            heading,
            "Owls hunt at night[1] and rest.\n\n[1] See the owl book.\n\nBeside\n\nIn a box.\n- first\n  - deeper\n\n"
            "Table 1: prices",
        ),
        ("table", heading, "| kind | price |\n| --- | --- |\n| tea | 3 |\n| tea | 4 |"),
    ]
    assert sections(document)[-1].caption == "Table 1: prices"


def test_docx_paragraphs_hidden_by_style(tmp_path: Path) -> None:
    document = new_docx()
    styles = document.styles
    inner = styles.add_style("Inner", WD_STYLE_TYPE.PARAGRAPH)
    inner.font.hidden = True
    styles.add_style("Deeper", WD_STYLE_TYPE.PARAGRAPH).base_style = inner
    document.add_paragraph("Open to all.")
    document.add_paragraph("For the staff.", style="Inner")
    document.add_paragraph("For the board.", style="Deeper")
    document.save(str(tmp_path / "a.docx"))
    read = read_one(tmp_path / "a.docx")
    assert read.text == "Open to all." and notes_of(read) == ["left out: 2 hidden passages"]


def test_docx_headers_and_footers_on_demand(tmp_path: Path) -> None:
    path = rich_docx(tmp_path / "a.docx")
    assert "Confidential" not in read_one(path).text
    text = read_one(path, headers_footers=True).text
    assert text.startswith("Confidential header") and text.endswith("Footer words")


def pptx_of(path: Path) -> Path:
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Owls"
    slide.placeholders[1].text = "They hunt.\nAt night."
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Numbers"
    below = slide.shapes.add_textbox(Inches(1), Inches(6), Inches(3), Inches(1))
    below.text_frame.text = "Below."
    above = slide.shapes.add_textbox(Inches(1), Inches(2), Inches(3), Inches(1))
    above.text_frame.text = "Above."
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
    for index, words in enumerate(("kind", "price", "tea", "3")):
        table.cell(index // 2, index % 2).text = words
    data = CategoryChartData()
    data.categories = ["2023", "2024"]
    data.add_series("sales", (1.5, 2))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(4.5), Inches(3), Inches(1), data)
    hidden = deck.slides.add_slide(deck.slide_layouts[5])
    hidden.shapes.title.text = "Secret"
    hidden._element.set("show", "0")
    deck.save(str(path))
    return path


def test_pptx(tmp_path: Path) -> None:
    document = read_one(pptx_of(tmp_path / "a.pptx"))
    assert [
        (s.page, kind, heading, words)
        for s, (kind, heading, words) in zip(sections(document), pieces(document), strict=True)
    ] == [
        (1, "heading", ("Owls",), "Owls"),
        (1, "text", ("Owls",), "They hunt.\nAt night."),
        (1, "heading", ("Owls", "Notes"), "Notes"),
        (1, "text", ("Owls", "Notes"), "Say it slowly."),
        (2, "heading", ("Numbers",), "Numbers"),
        (2, "text", ("Numbers",), "Above."),
        (2, "table", ("Numbers",), "| kind | price |\n| --- | --- |\n| tea | 3 |"),
        (2, "table", ("Numbers",), "|  | sales |\n| --- | --- |\n| 2023 | 1.5 |\n| 2024 | 2 |"),
        (2, "text", ("Numbers",), "Below."),
    ]
    assert notes_of(document) == ["its hidden slides were left out: 3"]


def boxes(slide: Any, columns: list[list[str]], left: float = 0.5, top: float = 1.5) -> None:
    """Text boxes in columns, drawn row by row as people do."""
    for row in range(max(map(len, columns))):
        for column, words in enumerate(columns):
            if row < len(words):
                place = Inches(left + 3 * column), Inches(top + 0.7 * row), Inches(2.7), Inches(0.6)
                slide.shapes.add_textbox(*place).text_frame.text = words[row]


@pytest.mark.parametrize(
    ("columns", "order"),
    [
        ([["Day shift", "Eva leads", "Six people"], ["Night shift", "Max leads"]],
         "Day shift|Eva leads|Six people|Night shift|Max leads"),
        ([["小型", "每月五元", "一人"], ["中型", "每月九元", "五人"], ["大型", "每月三十元", "不限"]],
         "小型|每月五元|一人|中型|每月九元|五人|大型|每月三十元|不限"),
        ([["Voltage", "Weight", "Colour"], ["110 V", "2.4 kg", "blue"]], "Voltage|110 V|Weight|2.4 kg|Colour|blue"),
        ([["Town", "Ulm", "Kiel"], ["2021", "120", "80"], ["2022", "130", "70"]],
         "Town|2021|2022|Ulm|120|130|Kiel|80|70"),
    ],
)  # fmt: skip
def test_text_boxes_side_by_side(tmp_path: Path, columns: list[list[str]], order: str) -> None:
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    boxes(slide, columns)
    for words, top in (("A line over all of them.", 0.5), ("A line below.", 5.5)):
        slide.shapes.add_textbox(Inches(0.5), Inches(top), Inches(9), Inches(0.6)).text_frame.text = words
    deck.save(str(tmp_path / "a.pptx"))
    text = read_one(tmp_path / "a.pptx").text
    assert text.split("\n\n") == ["A line over all of them.", *order.split("|"), "A line below."]


def test_fields_of_old_word_forms(tmp_path: Path) -> None:
    document = new_docx()
    for label, data in (
        ("Guest: ", '<w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox>'),
        ("Member: ", '<w:checkBox><w:default w:val="0"/></w:checkBox>'),
        ("Zone: ", '<w:ddList><w:result w:val="1"/><w:listEntry w:val="Hill"/><w:listEntry w:val="Dock"/></w:ddList>'),
    ):
        run = f'<w:r {W}><w:fldChar w:fldCharType="begin"><w:ffData>{data}</w:ffData></w:fldChar></w:r>'
        document.add_paragraph(label)._p.append(parse_xml(run))
    document.save(str(tmp_path / "a.docx"))
    assert read_one(tmp_path / "a.docx").text == "Guest: ☒\n\nMember: ☐\n\nZone: Dock"


def test_xlsx(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "Prices"
    sheet["A1"] = "Prices of 2024"
    for at, row in ((3, ["kind", "price", None, "town", "people"]), (4, ["tea", 3, None, "Ulm", 7]),
                    (5, ["cup", 2.5, None, "Bonn", 8])):  # fmt: skip
        for column, value in enumerate(row, start=1):
            sheet.cell(at, column, value)
    sheet["A8"], sheet["B8"] = "day", "done"
    sheet["A9"], sheet["B9"] = datetime.datetime(2024, 5, 1), True
    sheet["A10"], sheet["B10"] = "sum", "=1+1"
    book.create_sheet("Hidden").sheet_state = "hidden"
    book.create_sheet("Empty")
    book.save(str(tmp_path / "a.xlsx"))
    document = read_one(tmp_path / "a.xlsx")
    assert [
        (s.place, s.caption, words) for s, (_, _, words) in zip(sections(document), pieces(document), strict=True)
    ] == [
        ("Prices!1", "", "Prices of 2024"),
        ("Prices!4-5", "Prices of 2024", "| kind | price |\n| --- | --- |\n| tea | 3 |\n| cup | 2.5 |"),
        ("Prices!4-5", "", "| town | people |\n| --- | --- |\n| Ulm | 7 |\n| Bonn | 8 |"),
        ("Prices!9-10", "", "| day | done |\n| --- | --- |\n| 2024-05-01 | TRUE |\n| sum |  |"),
    ]
    assert {heading for _, heading, _ in pieces(document)} == {("Prices",)}
    assert sorted(notes_of(document)) == [
        "1 of its formulas hold no computed value and were left empty; save it once in Excel",
        "its hidden sheet 'Hidden' was left out",
    ]


def test_long_sheets_come_in_pieces_that_repeat_the_head(tmp_path: Path) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Log")
    sheet.append(["id", "word"])
    for number in range(900):
        sheet.append([number, f"word {number}"])
    book.save(str(tmp_path / "a.xlsx"))
    document = read_one(tmp_path / "a.xlsx")
    found = sections(document)
    assert [s.place for s in found[:2]] == ["Log!2-41", "Log!42-81"] and len(found) == 23
    assert all(words.startswith("| id | word |\n| --- | --- |\n") for _, _, words in pieces(document))
    assert document.text.count("word ") == 900 + 23


def test_csv_dialects(tmp_path: Path) -> None:
    rows = [["name", "note"], ["Ann", "a, b; c"], ["王", "两行\n文字"]]
    for name, delimiter in (("a.csv", ","), ("b.csv", ";"), ("c.tsv", "\t"), ("d.csv", "|")):
        text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
        document = read_one(put(tmp_path, name, text))
        assert document.text == "| name | note |\n| --- | --- |\n| Ann | a, b; c |\n| 王 | 两行 文字 |", name
        assert sections(document)[0].place == "rows 2-3"


def test_csv_without_head_or_with_wild_quotes(tmp_path: Path) -> None:
    document = read_one(put(tmp_path, "a.csv", "2024-01-01,3\n2024-01-02,4\n"))
    assert document.text == "|  |  |\n| --- | --- |\n| 2024-01-01 | 3 |\n| 2024-01-02 | 4 |"
    assert "does not look like a head" in notes_of(document)[0]
    wild = 'a,b\n1,"open\n' + "2,x\n" * 40_000
    document = read_one(put(tmp_path, "b.csv", wild))
    assert document.text.count("| 2 | x |") == 40_000
    assert notes_of(document) == ["its quotes do not match and were read as they stand"]
    document = read_one(put(tmp_path, "c.csv", "sep=;\na;b\n1;2\n"))
    assert document.text.endswith("| 1 | 2 |")


def test_csv_cells_of_any_length(tmp_path: Path) -> None:
    long = "word " * 40_000  # beyond the 131,072 characters of Python's csv module
    document = read_one(put(tmp_path, "long.csv", f'name,text\none,"{long}"\ntwo,short\n'))
    assert document.text.count("word") == 40_000 and "short" in document.text
    lone = 'name,text\none,"' + "x\n" * 100_000 + "last,row\n"
    assert "last" in read_one(put(tmp_path, "lone.csv", lone)).text
    assert csv.field_size_limit() == 131_072
