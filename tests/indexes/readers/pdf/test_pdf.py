"""PDF: columns, running heads, hyphens, scanned pages, passwords."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF
from PIL import Image

from indexes.errors import ReaderError, SettingsError
from indexes.nodes import iter_records
from indexes.readers import read_file
from indexes.readers.outline import notes_of
from indexes.settings.sections import ReadSettings
from tests.indexes.readers.reader_files import pdf_of, read_one, sections

LEFT = [
    "Owls are birds of the night and they",
    "hunt for mice in the open fields and",
    "at the edges of the old dark woods.",
    "Their ears hear a mouse under snow.",
    "They sleep by day in hollow trees or",
    "in old barns until the sun has set.",
]
RIGHT = [
    "Mice live in holes under the ground",
    "and eat the seeds of many plants and",
    "whatever falls from a farmer's cart.",
    "They have many young ones each year",
    "so that the owls have much to eat in",
    "good years and much less in the bad.",
]
HEAD = "A title that runs over the whole of the page and over both of the columns below"


def lines(x: float, texts: list[str]) -> list[tuple[float, float, str]]:
    return [(x, 60 + 6 * index, text) for index, text in enumerate(texts)]


@pytest.mark.parametrize("order", ["columns", "rows"])
def test_columns_are_read_one_after_the_other(tmp_path: Path, order: str) -> None:
    left, right = lines(15, LEFT), lines(110, RIGHT)
    items = {
        "columns": [(15.0, 40.0, HEAD), *left, *right],
        "rows": [(15.0, 40.0, HEAD), *(item for pair in zip(left, right, strict=True) for item in pair)],
    }[order]
    text = read_one(pdf_of(tmp_path / "a.pdf", [items])).text
    assert " ".join(text.split()) == " ".join([HEAD, *LEFT, *RIGHT])


def test_an_order_that_splices_nothing_stands(tmp_path: Path) -> None:
    """A side bar that the file draws behind the text beside it stays behind it."""
    bar = [(15.0, 62.0 + 5 * index, words) for index, words in enumerate(("Tip: owls", "see well by", "the moon."))]
    text = read_one(pdf_of(tmp_path / "a.pdf", [[*lines(60, LEFT), *bar]])).text
    assert " ".join(text.split()) == " ".join([*LEFT, "Tip: owls see well by the moon."])


def test_terms_beside_their_meaning_are_no_columns(tmp_path: Path) -> None:
    terms = {
        "owl": "a bird of the night that hunts for mice",
        "mouse": "what the owl eats",
        "barn": "where it sleeps",
        "oak": "a tree that is hollow when it is old, so that owls sleep in it",
        "moon": "its light",
    }
    items = [
        item for i, (a, b) in enumerate(terms.items()) for item in ((20.0, 50.0 + 6 * i, a), (70.0, 50.0 + 6 * i, b))
    ]
    text = " ".join(read_one(pdf_of(tmp_path / "a.pdf", [items])).text.split())
    assert "owl a bird of the night that hunts for mice mouse what the owl eats" in text


def test_rows_of_a_table_stay_rows(tmp_path: Path) -> None:
    cells = [("tea", "3.00"), ("cup", "2.50"), ("pot", "9.00"), ("can", "1.20"), ("jar", "4.00"), ("mug", "5.00")]
    items = [item for i, (a, b) in enumerate(cells) for item in ((20.0, 50.0 + 7 * i, a), (120.0, 50.0 + 7 * i, b))]
    text = read_one(pdf_of(tmp_path / "a.pdf", [items])).text
    assert "tea 3.00" in text and "mug 5.00" in text


def test_rows_without_rules_go_on_in_no_other_line(tmp_path: Path) -> None:
    rows = [("Group", "Before", "After"), ("Alpha", "12", "15"), ("Beta", "9", "11")]
    items = [(22.0 + 45 * c, 36.0 + 9 * r, words) for r, row in enumerate(rows) for c, words in enumerate(row)]
    page = [(20.0, 26.0, "Results of the trial"), *items, (20.0, 70.0, "The trial ran for six weeks.")]
    text = read_one(pdf_of(tmp_path / "a.pdf", [page])).text
    assert text.split("\n\n") == [
        "Results of the trial", "Group Before After", "Alpha 12 15", "Beta 9 11", "The trial ran for six weeks.",
    ]  # fmt: skip


@pytest.mark.parametrize("label", ["[Constant Struct]", "Price on request"])
def test_labels_beside_what_they_label_are_no_column(tmp_path: Path, label: str) -> None:
    """Manuals of programs say what each line is at its right edge: the same few words, as wide as a narrow column."""
    names = [f"struct colour paint_{name}_on_wood" for name in ("red", "blue", "green", "white", "black", "brown")]
    items = [
        item for i, name in enumerate(names) for item in ((15.0, 50.0 + 6 * i, name), (150.0, 50.0 + 6 * i, label))
    ]
    text = " ".join(read_one(pdf_of(tmp_path / "a.pdf", [items])).text.split())
    assert f"paint_red_on_wood {label} struct colour paint_blue_on_wood" in text


def test_columns_whose_lines_stand_at_unlike_heights_are_parted(tmp_path: Path) -> None:
    """pdfium runs such lines together to one that jumps to the left and to the right."""
    columns = [
        [f"{words} {number} of a" for number in range(100, 118)]
        for words in ("the tall owl", "a dry hill", "his old cart")
    ]
    items = [
        (15.0 + 62 * c, 50.0 + 4.2 * r + (0, 1.5, -1.2)[c], column[r])
        for r in range(18)
        for c, column in enumerate(columns)
    ]
    text = read_one(pdf_of(tmp_path / "a.pdf", [[(15.0, 35.0, HEAD), *items]])).text
    assert " ".join(text.split()) == " ".join([HEAD, *(line for column in columns for line in column)])


def test_options_beside_what_they_do_are_no_columns(tmp_path: Path) -> None:
    names = [f"print.{name}.at.end=on" for name in ("comma", "align", "quote", "space", "brace")]
    does = [
        f"Put the {name} at the end of the line, and not before it."
        for name in ("comma", "first", "quote", "space", "brace")
    ]
    items = [
        item
        for i, pair in enumerate(zip(names, does, strict=True))
        for item in ((20.0, 50.0 + 6 * i, pair[0]), (90.0, 50.0 + 6 * i, pair[1]))
    ]
    text = " ".join(read_one(pdf_of(tmp_path / "a.pdf", [items])).text.split())
    assert text == " ".join(f"{name} {what}" for name, what in zip(names, does, strict=True))


def test_raised_text_is_told_beside_a_wide_gap(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.text(20, 40, "Area of the yard")
    pdf.text(90, 40, "about 40 m")
    pdf.set_font("helvetica", size=8)
    pdf.text(111.5, 38.2, "2")
    pdf.output(str(tmp_path / "a.pdf"))
    assert read_one(tmp_path / "a.pdf").text == "Area of the yard about 40 m²"


def test_a_short_last_line_ends_its_own_column(tmp_path: Path) -> None:
    left = [*LEFT[:5], "see us now."]
    rows = [line for pair in zip(lines(20, left), lines(110, RIGHT[:5]), strict=False) for line in pair]
    text = read_one(pdf_of(tmp_path / "a.pdf", [[*rows, lines(20, left)[5]]])).text
    assert " ".join(text.split()) == " ".join([*left, *RIGHT[:5]])


def test_bold_words_above_words_are_the_head_of_a_ruled_table(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    pdf.add_page()
    with pdf.table(width=150) as table:  # its first row is bold
        for cells in (("Branch", "Opens at", "Manager"), ("Lund", "nine", "Ann Berg"), ("Ystad", "ten", "Bo Ek")):
            row = table.row()
            for words in cells:
                row.cell(words)
    pdf.output(str(tmp_path / "a.pdf"))
    records = [record.text for record in iter_records(read_one(tmp_path / "a.pdf"))]
    assert records == [
        "Branch: Lund; Opens at: nine; Manager: Ann Berg",
        "Branch: Ystad; Opens at: ten; Manager: Bo Ek",
    ]


def test_raised_and_lowered_text_stands_off_the_base_line(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    pdf.add_page()
    for words, place in (
        ("Gypsum is CaSO", "LINE"), ("4", "SUB"), (" and fills 7 m", "LINE"), ("3", "SUP"), (" here, by 10", "LINE"),
        ("-4", "SUP"), (" g. It was dug in 1820.", "LINE"), ("5", "SUP"), (" Ore pays.", "LINE"),
    ):  # fmt: skip
        pdf.char_vpos = place
        pdf.write(6, words)
    pdf.output(str(tmp_path / "a.pdf"))
    assert (
        read_one(tmp_path / "a.pdf").text
        == "Gypsum is CaSO₄ and fills 7 m³ here, by 10^-4 g. It was dug in 1820[5]. Ore pays."
    )


def test_lowered_text_in_a_line_that_a_hyphen_joins_to_the_next(tmp_path: Path) -> None:
    """pdfium gives both lines as one; what is lowered in the first stands above the base line of the second."""
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    pdf.add_page()
    for words, place in (
        ("Owls use a dense encoder E", "LINE"),
        ("P", "SUB"),
        (" that turns all text into di-", "LINE"),
    ):
        pdf.char_vpos = place
        pdf.write(6, words)
    pdf.ln()
    pdf.char_vpos = "LINE"
    pdf.write(6, "mensional vectors of numbers, and builds an index for the mice of all the fields.")
    pdf.output(str(tmp_path / "a.pdf"))
    assert "encoder E_P that turns all text into dimensional vectors" in read_one(tmp_path / "a.pdf").text


def test_running_heads_of_chapters_and_page_numbers_go(tmp_path: Path) -> None:
    pages = []
    for number in range(12):
        head = "Chapter one: owls" if number < 6 else "Chapter two: mice"
        page = [
            (20.0, 12.0, head),
            (20.0, 60.0, f"The words of page {'abcdefghijkl'[number]} are these."),
            (100.0, 288.0, f"- {number + 1} -"),
        ]
        if number == 4:
            page.append((20.0, 80.0, "Chapter one: owls"))  # in the text it stays
        pages.append(page)
    text = read_one(pdf_of(tmp_path / "a.pdf", pages)).text
    assert text.count("Chapter one: owls") == 1 and "Chapter two" not in text and "- 3 -" not in text
    assert text.count("The words of page") == 12


def test_hyphens_at_line_ends(tmp_path: Path) -> None:
    texts = [
        "The well-known owl can hear-",
        "ing nothing else find a well-",
        "known mouse, and self-",
        "made nests of Anglo-",
        "Saxon age. The owl is in the Covid-",
        "19 lists. The hearing is good.",
    ]
    text = " ".join(read_one(pdf_of(tmp_path / "a.pdf", [lines(20, texts)])).text.split())
    for words in ("can hearing nothing", "a well-known mouse", "self-made", "Anglo-Saxon", "Covid-19 lists"):
        assert words in text, text


def scanned(path: Path) -> Path:
    picture = io.BytesIO()
    Image.new("RGB", (200, 100), "white").save(picture, "PNG")
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    for kind in ("text", "scan", "scan", "blank", "scan"):
        pdf.add_page()
        if kind == "text":
            pdf.text(20, 20, "Typed words.")
        elif kind == "scan":
            pdf.image(picture, x=10, y=10, w=100)
    pdf.output(str(path))
    return path


def test_scanned_pages_are_reported_by_number(tmp_path: Path) -> None:
    document = read_one(scanned(tmp_path / "a.pdf"))
    assert document.text == "Typed words."
    assert notes_of(document) == ["pages 2-3, 5 have no text (scanned)"]


def test_ocr_hook(tmp_path: Path) -> None:
    sizes: list[tuple[int, int]] = []

    def ocr(image: Any) -> str:
        sizes.append(image.size)
        return "Seen words.\n" if len(sizes) < 3 else ""

    document = read_file(scanned(tmp_path / "a.pdf"), ocr=ocr)[0]
    assert [(s.page, document.text[s.start : s.end].strip()) for s in sections(document)] == [
        (1, "Typed words."),
        (2, "Seen words."),
        (3, "Seen words."),
    ]
    assert notes_of(document) == ["page 5 has no text (scanned)", "the text of pages 2-3 is by OCR"]
    assert sizes[0][0] > 1500  # 200 dots an inch
    for name, reason in (
        ("no_module:x", "cannot be loaded"),
        ("os:sep", "not a function"),
        ("os", "cannot be loaded"),
    ):
        with pytest.raises(SettingsError, match=reason):
            read_file(tmp_path / "a.pdf", settings=ReadSettings(ocr=name))


def test_only_scanned_pages(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (20, 10), "white").save(picture, "PNG")
    pdf = FPDF()
    pdf.add_page()
    pdf.image(picture, x=10, y=10)
    pdf.output(str(tmp_path / "a.pdf"))
    with pytest.raises(ReaderError, match="no text in its 1 page, it seems scanned"):
        read_file(tmp_path / "a.pdf")


def test_passwords_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pdf_of(tmp_path / "a.pdf", [[(20, 20, "Secret words.")]], password="open-sesame")
    with pytest.raises(ReaderError, match=r"locked by a password; put its password into .* RAG_FILE_PASSWORD"):
        read_file(path)
    monkeypatch.setenv("MY_PASSWORD", "wrong-word")
    with pytest.raises(ReaderError, match="the one in MY_PASSWORD does not open it") as caught:
        read_file(path, settings=ReadSettings(password_env="MY_PASSWORD"))
    assert "wrong-word" not in str(caught.value)
    monkeypatch.setenv("MY_PASSWORD", "open-sesame")
    assert read_one(path, password_env="MY_PASSWORD").text == "Secret words."


def test_what_a_file_says_of_itself_is_metadata(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.cell(text="The lock is opened at noon.")
    pdf.set_title("Locks of the canal")
    pdf.set_author("Ada Holm")
    pdf.set_keywords("canal, lock")
    path = tmp_path / "locks.pdf"
    pdf.output(str(path))
    (document,) = read_file(path)
    found = {key: document.metadata.get(key) for key in ("title", "author", "keywords", "file_type")}
    assert found["title"] == "Locks of the canal" and found["author"] == "Ada Holm"
    assert "lock" in str(found["keywords"]) and found["file_type"]


def test_a_table_finder_that_fails_leaves_lines_and_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("indexes.readers.pdf.pdf.with_tables", fail)
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.cell(text="The lock is opened at noon.")
    path = tmp_path / "locks.pdf"
    pdf.output(str(path))
    (document,) = read_file(path)
    assert "opened at noon" in document.text and notes_of(document) == ["tables on page 1 were read as lines"]
