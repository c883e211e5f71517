"""The golden tables in four formats, and what only one format can write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from docx import Document as new_docx
from docx.oxml import OxmlElement
from openpyxl import Workbook
from openpyxl.styles import Font
from pptx import Presentation
from pptx.util import Inches

from indexes.nodes import iter_records
from indexes.readers.tables.kinds import kind_of
from tests.indexes.readers.reader_files import put, read_one
from tests.indexes.readers.tables.golden import GOLDEN, Cell, Golden


def spread(cell: Cell) -> tuple[str, int, int]:
    return (cell, 1, 1) if isinstance(cell, str) else cell


def placed(golden: Golden) -> list[tuple[int, int, str, int, int]]:
    """(row, column, words, across, down) of each cell, from 0."""
    taken: set[tuple[int, int]] = set()
    found = []
    for row, cells in enumerate(golden.rows):
        column = 0
        for cell in cells:
            words, across, down = spread(cell)
            while (row, column) in taken:
                column += 1
            taken |= {(row + y, column + x) for y in range(down) for x in range(across)}
            found.append((row, column, words, across, down))
            column += across
    return found


def html(path: Path, golden: Golden) -> Path:
    lines = []
    for number, cells in enumerate(golden.rows):
        tag = "th" if number < golden.head else "td"
        shown = (
            f"<{tag} colspan={across} rowspan={down}>{words.replace('&', '&amp;')}</{tag}>"
            for words, across, down in map(spread, cells)
        )
        lines.append(f"<tr>{''.join(shown)}</tr>")
    return put(path, "a.html", f"<table>{''.join(lines)}</table>")


def size(golden: Golden) -> tuple[int, int]:
    cells = placed(golden)
    return max(r + d for r, _, _, _, d in cells), max(c + a for _, c, _, a, _ in cells)


def docx(path: Path, golden: Golden) -> Path:
    document = new_docx()
    table = document.add_table(*size(golden))
    for row, column, words, across, down in placed(golden):
        cell = table.cell(row, column)
        if across > 1 or down > 1:
            cell = cell.merge(table.cell(row + down - 1, column + across - 1))
        cell.text = words
    for row in table.rows[: golden.head]:
        row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    document.save(str(path / "a.docx"))
    return path / "a.docx"


def xlsx(path: Path, golden: Golden) -> Path:
    book = Workbook()
    sheet = book.active
    for row, column, words, across, down in placed(golden):
        cell = sheet.cell(row + 1, column + 1, words or None)
        cell.font = Font(bold=row < golden.head)
        if across > 1 or down > 1:
            sheet.merge_cells(None, row + 1, column + 1, row + down, column + across)
    book.save(str(path / "a.xlsx"))
    return path / "a.xlsx"


def pptx(path: Path, golden: Golden) -> Path:
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    table = slide.shapes.add_table(*size(golden), Inches(1), Inches(1), Inches(5), Inches(2)).table
    table.first_row = False
    for row, column, words, across, down in placed(golden):
        cell = table.cell(row, column)
        if across > 1 or down > 1:
            cell.merge(table.cell(row + down - 1, column + across - 1))
        cell.text = words
        for run in cell.text_frame.paragraphs[0].runs:
            run.font.bold = row < golden.head
    deck.save(str(path / "a.pptx"))
    return path / "a.pptx"


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
@pytest.mark.parametrize("make", [html, docx, xlsx, pptx])
def test_golden(tmp_path: Path, make: Callable[[Path, Golden], Path], golden: Golden) -> None:
    records = [record.text for record in iter_records(read_one(make(tmp_path, golden)))]
    wanted = golden.sheet if make is xlsx and golden.sheet is not None else golden.records
    assert [text.removeprefix("Sheet — ") for text in records] == list(wanted)


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("Report of the north\nof 3 May\n\nWare,Units\nDesk,12\nLamp,30\n",
         ["Report of the north", "of 3 May", "Ware: Desk; Units: 12", "Ware: Lamp; Units: 30"]),
        ("a;b\n1,5;2,5\n3,5;4,5\n", ["a: 1,5; b: 2,5", "a: 3,5; b: 4,5"]),
        ("id~name\n1~Ann\n2~Bo\n", ["id: 1; name: Ann", "id: 2; name: Bo"]),
        ("Plant,Winter,,Summer,\n,Gas,Power,Gas,Power\nEast,5,7,1,6\n",
         ["Plant: East; Winter Gas: 5; Winter Power: 7; Summer Gas: 1; Summer Power: 6"]),
        ("id,words\n1,'tea, cups'\n2,it's\n", ["id: 1; words: tea, cups", "id: 2; words: it's"]),
        ("Ulm,1200,3\nBonn,800,2\nKiel,700,1\n", ["Ulm; 1200; 3", "Bonn; 800; 2", "Kiel; 700; 1"]),
        ("姓名,省份\n李雷,山西\n", ["姓名: 李雷; 省份: 山西"]),
        ("Land,May 2023,Jun 2023\nPeru,5,6\nChile,7,8\n",
         ["Land: Peru; May 2023: 5; Jun 2023: 6", "Land: Chile; May 2023: 7; Jun 2023: 8"]),
        ("name,mail\nAnn,ann@x.org\nBo,bo@x.org\n", ["name: Ann; mail: ann@x.org", "name: Bo; mail: bo@x.org"]),
    ],
)  # fmt: skip
def test_csv(tmp_path: Path, text: str, records: list[str]) -> None:
    found = [record.text for record in iter_records(read_one(put(tmp_path, "a.csv", text)))]
    assert found == records


@pytest.mark.parametrize(
    ("rows", "records"),
    [
        ("Voltage|110 V;Weight|2.4 kg", ["Voltage: 110 V", "Weight: 2.4 kg"]),
        ("姓名|李雷;部门|仓库;电话|6677", ["姓名: 李雷", "部门: 仓库", "电话: 6677"]),
        ("姓名|李雷|性别|男;部门|仓库|工号|0013", ["姓名: 李雷", "性别: 男", "部门: 仓库", "工号: 0013"]),
        ("Name|Eva|Dept|Kitchen;Phone|111|Room|C4", ["Name: Eva", "Dept: Kitchen", "Phone: 111", "Room: C4"]),
        ("Name|Description;Phone|where to call;Email|where to write",
         ["Name: Phone; Description: where to call", "Name: Email; Description: where to write"]),
        ("Name|Phone;Eva|111;Max|222", ["Name: Eva; Phone: 111", "Name: Max; Phone: 222"]),
        ("Model|7B;MMLU|46;GSM|14", ["Model: MMLU; 7B: 46", "Model: GSM; 7B: 14"]),
    ],
)  # fmt: skip
def test_forms_in_markdown_have_a_false_head(tmp_path: Path, rows: str, records: list[str]) -> None:
    lines = [f"| {' | '.join(row.split('|'))} |" for row in rows.split(";")]
    lines.insert(1, "|---" * lines[0].count(" | ") + "|---|")
    found = [record.text for record in iter_records(read_one(put(tmp_path, "a.md", "\n".join(lines))))]
    assert found == records


def test_the_title_of_a_group_of_rows_is_not_a_second_head(tmp_path: Path) -> None:
    html = (
        "<table><thead><tr><th>Ware<th>2019<th>2020</tr></thead><tbody><tr><th colspan=3>Sold</th></tr>"
        "<tr><td>Rope<td>5<td>6</tr><tr><th colspan=3>Bought</th></tr><tr><td>Rope<td>1<td>2</tr></table>"
    )
    records = [record.text for record in iter_records(read_one(put(tmp_path, "a.html", html)))]
    assert records == [
        "Sold", "Sold — Ware: Rope; 2019: 5; 2020: 6", "Bought", "Bought — Ware: Rope; 2019: 1; 2020: 2",
    ]  # fmt: skip


def test_records_in_consecutive_lines_of_markdown_stay_apart(tmp_path: Path) -> None:
    text = "品名：麻绳；长度：30 米\n品名：铁钩；长度：9 厘米\n"
    records = [record.text for record in iter_records(read_one(put(tmp_path, "a.md", text)))]
    assert records == text.splitlines()


def test_titles_sections_and_heads_that_are_repeated(tmp_path: Path) -> None:
    html = (
        "<table><tr><td colspan=3>Fares</td></tr><tr><th>Zone<th>one way<th>return</tr><tr><td>A<td>1<td>2</tr>"
        "<tr><td colspan=3>At night</td></tr><tr><td>B<td>3<td>4</tr><tr><td>Zone<td>one way<td>return</tr>"
        "<tr><td>C<td>5<td>6</tr></table>"
    )
    records = [record.text for record in iter_records(read_one(put(tmp_path, "a.html", html)))]
    assert records == [
        "Fares",
        "Fares — Zone: A; one way: 1; return: 2",
        "At night",
        "Fares, At night — Zone: B; one way: 3; return: 4",
        "Fares, At night — Zone: C; one way: 5; return: 6",
    ]


def test_definition_lists_and_small_inner_tables(tmp_path: Path) -> None:
    html = (
        "<dl><dt>Voltage<dd>230 V<dt>Colour:<dd>red</dl><table><tr><td>Box<td><table><tr><td>tea<td>3</table></table>"
    )
    records = [record.text for record in iter_records(read_one(put(tmp_path, "a.html", html)))]
    assert records == ["Voltage: 230 V", "Colour: red", "Box: tea 3"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("1,234.50", "number"), ("-3", "number"), ("(12)", "number"), ("€ 5", "number"), ("15 %", "number"),
     ("5,20 €", "number"),
     ("0815/4711", "number"), ("230 V", "measure"), ("5 µm", "measure"), ("12 km/h", "measure"), ("400元", "measure"),
     ("2021", "date"), ("2021年3月1日", "date"), ("3 May 2024", "date"), ("9:30", "date"), ("1.5.2024", "date"),
     ("Town", "word"), ("H1", "word"), ("Q3 2024 plan", "word"), ("-", ""), ("n/a", ""), ("x" * 200, "long")],
)  # fmt: skip
def test_kinds(text: str, kind: str) -> None:
    assert kind_of(text) == kind
