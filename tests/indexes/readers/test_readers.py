import zipfile
from pathlib import Path

import pytest
from docx import Document as new_docx
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement
from fpdf import FPDF
from llama_index.core import Document

from indexes.errors import ReaderError, SourceError
from indexes.nodes import SentenceRecord, iter_records
from indexes.readers import SUFFIXES, read_file
from indexes.readers.decode import decode
from indexes.readers.outline import notes_of, outline_of
from indexes.readers.pdf.layout import Line
from indexes.readers.pdf.text import Hyphens, unwrap
from indexes.readers.source_file import SourceFile


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> Document:
    documents = read_file(path)
    assert len(documents) == 1
    document = documents[0]
    at = 0
    for section in outline_of(document):  # sections tile the text
        assert section.start == at < section.end
        at = section.end
    assert at == len(document.text)
    return document


def records(path: Path) -> list[SentenceRecord]:
    return list(iter_records(read(path)))


def texts(path: Path) -> list[str]:
    return [record.text for record in records(path)]


# ---- text and encodings


def test_text_with_its_metadata(tmp_path: Path) -> None:
    path = put(tmp_path, "a.txt", "你好。Hello there. Bye.")
    document = read(path)
    assert document.node_id == path.resolve().as_posix() == document.metadata["source"]
    assert document.metadata["title"] == "a"
    assert document.metadata["file_type"] == "text"
    assert "encoding" not in document.metadata
    assert texts(path) == ["你好。", "Hello there.", "Bye."]
    assert read_file(path, doc_id="mine")[0].node_id == "mine"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("你好。再见。".encode("utf-8-sig"), None),
        ("你好。再见。".encode("gb18030"), "gb18030"),
        ("你好。再见。".encode("utf-16"), "utf-16"),
        ("你好。再见。".encode("utf-32"), "utf-32"),
    ],
)
def test_encodings(tmp_path: Path, data: bytes, encoding: str | None) -> None:
    path = put(tmp_path, "a.txt", data)
    assert texts(path) == ["你好。", "再见。"]
    assert read(path).metadata.get("encoding") == encoding


def test_damaged_utf8_is_not_taken_for_gb18030() -> None:
    file = SourceFile("a.txt")
    text, encoding = decode(file, ("很长的一段中文。" * 50).encode() + b"\xe4\xbd")
    assert text.startswith("很长的一段中文。")
    assert encoding == "utf-8, 1 damaged character"
    assert file.notes == ["1 damaged character of its UTF-8 text was replaced"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"\x89PNG\r\n\x00\x00\x01", "binary"),
        (b"\x01\x02\x03\x04abc", "binary"),
        (b"\xff\xfea\x00b", "damaged at byte"),
    ],
)
def test_text_that_is_none(tmp_path: Path, data: bytes, reason: str) -> None:
    path = put(tmp_path, "a.txt", data)
    with pytest.raises(ReaderError, match=reason) as caught:
        read_file(path)
    assert str(path) in str(caught.value)


def test_chapter_lines_of_books_are_headings(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        "book.txt",
        "书名\n\n第一卷 山\n\n第一回 出门\n\n他第一次出门。\n\n第二回 回家\r\n他回家了。\n第三节课很长。\n",
    )
    assert [(record.heading, record.text) for record in records(path)] == [
        (None, "书名"),
        ("第一卷 山 > 第一回 出门", "他第一次出门。"),
        ("第一卷 山 > 第二回 回家", "他回家了。"),
        ("第一卷 山 > 第二回 回家", "第三节课很长。"),
    ]


def test_english_chapters_stand_alone(tmp_path: Path) -> None:
    path = put(
        tmp_path, "b.txt", "CHAPTER I. Home\n\nI stayed at home,\nPart 2 of the house.\n\nCHAPTER II\n\nI left.\n"
    )
    assert [(record.heading, record.text) for record in records(path)] == [
        ("CHAPTER I. Home", "I stayed at home,\nPart 2 of the house."),
        ("CHAPTER II", "I left."),
    ]


def test_rst_titles(tmp_path: Path) -> None:
    path = put(tmp_path, "a.rst", "Guide\n=====\n\nHello.\n\nMore\n----\n\nBye.\n")
    assert [(record.heading, record.text) for record in records(path)] == [
        ("Guide", "Hello."),
        ("Guide > More", "Bye."),
    ]


# ---- Markdown


def test_markdown_gives_what_a_reader_sees(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        "a.md",
        "---\ntitle: 'My guide'\n---\n# Guide\n\nSee the [manual](https://example.com/m) <!-- hidden -->and *run*\n"
        "`make.sh`. Look: ![a picture](p.png)\n\n## 安装\n\n这一行\n接着下一行。<br>换行。\n\n- one\n- two\n  1. in\n\n"
        "| a | b |\n|---|---|\n| [x](y) | 2 |\n\n```python\nprint(1)\n```\n\n<!-- comment -->\n<b>Bold</b> end.\n\n"
        "```\n{{#include x.rs}}\n```\n",
    )
    assert read(path).metadata["title"] == "My guide"
    assert [(record.kind, record.heading, record.text) for record in records(path)] == [
        ("text", "Guide", "See the manual and run `make.sh`."),
        ("text", "Guide", "Look: a picture"),
        ("text", "Guide > 安装", "这一行接着下一行。"),
        ("text", "Guide > 安装", "换行。"),
        ("text", "Guide > 安装", "- one"),
        ("text", "Guide > 安装", "- two"),
        ("text", "Guide > 安装", "1. in"),
        ("table", "Guide > 安装", "安装 — a: x; b: 2"),
        ("code", "Guide > 安装", "print(1)"),
        ("text", "Guide > 安装", "Bold end."),
    ]


def test_mkdocs_blocks_are_no_code(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        "a.md",
        '# T\n\n!!! note "注意"\n\n    请先备份。\n\n    === "Python"\n\n        ```py\n        x = 1\n        ```\n\n'
        "```text\n=== RUN\n    indented\n```\n\n    real code\n",
    )
    assert [(record.kind, record.text) for record in records(path)] == [
        ("text", "注意"),
        ("text", "请先备份。"),
        ("code", "x = 1"),
        ("code", "=== RUN\n    indented"),
        ("code", "real code"),
    ]


def test_markdown_title_is_the_first_heading_or_the_file_name(tmp_path: Path) -> None:
    assert read(put(tmp_path, "a.md", "Text.\n\nTitle\n=====\n")).metadata["title"] == "Title"
    assert read(put(tmp_path, "b.markdown", "Text.")).metadata["title"] == "b"


# ---- HTML


def test_html_keeps_the_content_and_drops_what_is_around(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        "a.html",
        "<html><head><title>The  page</title><style>p{}</style></head><body>"
        "<header><h1>Site</h1></header><nav>Menu</nav>"
        "<main><header><h1>Guide<a class='headerlink'>¶</a></h1><p>byline</p></header>"
        "<p>First <b>bold</b>\n line. 中文\n换行。</p><div hidden>secret</div><script>var x;</script>"
        "<ul><li>one<li>two</ul>"
        "<h2>Data</h2><table><tr><th>a<th>b<tr><td>1<td><p>x</p><p>y|z</p></table>"
        "<pre>if x:\n  y</pre>"
        "<p>Line one<br>Line two uses <code>a.b()</code>.</p"
        "><aside>ad</aside></main><footer>foot</footer></body></html>",
    )
    assert read(path).metadata["title"] == "The page"
    assert [(record.kind, record.heading, record.text) for record in records(path)] == [
        ("text", "Guide", "byline"),
        ("text", "Guide", "First bold line."),
        ("text", "Guide", "中文换行。"),
        ("text", "Guide", "- one"),
        ("text", "Guide", "- two"),
        ("table", "Guide > Data", "Data — a: 1; b: x y|z"),
        ("code", "Guide > Data", "if x:\n  y"),
        ("text", "Guide > Data", "Line one"),
        ("text", "Guide > Data", "Line two uses `a.b()`."),
        ("text", "Guide > Data", "ad"),
    ]
    assert notes_of(read(path)) == ["12 characters around its main content were left out", "left out: 1 hidden passage"]


def test_html_layout_table_form_page_and_charset(tmp_path: Path) -> None:
    html = '<meta charset="gb2312"><form><table><tr><td><h1>标题</h1><p>正文。</p></td></tr></table></form>'
    path = put(tmp_path, "a.htm", html.encode("gb18030"))
    assert [(record.heading, record.text) for record in records(path)] == [("标题", "正文。")]
    assert read(path).metadata["encoding"] == "gb2312"
    assert read(path).metadata["title"] == "标题"


@pytest.mark.slow
def test_html_nested_deeper_than_the_stack(tmp_path: Path) -> None:
    path = put(tmp_path, "a.html", "<div>" * 20_000 + "<p>Deep.</p>")
    assert texts(path) == ["Deep."]


def test_html_without_text_is_empty(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="is empty"):
        read_file(put(tmp_path, "a.html", "<html><script>x</script></html>"))


# ---- PDF


def pdf_of(path: Path, pages: list[list[str]], **options: str) -> Path:
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    if "title" in options:
        pdf.set_title(options["title"])
    for number, lines in enumerate(pages):
        pdf.add_page()
        if number == 0 and "section" in options:
            pdf.start_section(options["section"])
        for line in lines:
            pdf.cell(0, 6, line, new_x="LMARGIN", new_y="NEXT")
    if "password" in options:
        pdf.set_encryption(owner_password="owner", user_password=options["password"])
    pdf.output(str(path))
    return path


def test_pdf_pages_hyphens_bookmarks_and_running_titles(tmp_path: Path) -> None:
    pages = [
        ["Field guide", "Owls", "Owls are birds that hunt at night and they are known for their hear-",
         "ing, which is better than that of most other birds in the forest.", "They sleep by day in a hollow", "1"],
        ["Field guide", "tree or in an old barn.", "Mice fear them.", "2"],
        ["Field guide", "Third page text is here.", "3"],
        ["Field guide", "Fourth page text is here.", "4"],
    ]  # fmt: skip
    path = pdf_of(tmp_path / "a.pdf", pages, title="The guide", section="Owls")
    assert read(path).metadata["title"] == "The guide"
    found = records(path)
    assert [(record.page, record.text) for record in found] == [
        (1, "Owls are birds that hunt at night and they are known for their hearing, which is better than that of most "
            "other birds in the forest."),
        (1, "They sleep by day in a hollow tree or in an old barn."),
        (2, "Mice fear them."),
        (3, "Third page text is here."),
        (4, "Fourth page text is here."),
    ]  # fmt: skip
    assert {record.heading for record in found} == {"Owls"}


def test_unwrap() -> None:
    lines = ["这是一段很长的中文文字，它在行末", "换行。", "- 第一", "- 第二"]
    assert unwrap(lines, Hyphens([])) == [
        ("这是一段很长的中文文字，它在行末换行。", False),
        ("- 第一", True),
        ("- 第二", True),
    ]
    hyphens = Hyphens([[Line("a well-known fact of my long-term hearing, the term is long and long")]])
    assert unwrap(["a well-", "known hear-", "ing long-", "term Anglo-", "Saxon gar-", "den"], hyphens) == [
        ("a well-known hearing long-term Anglo-Saxon garden", False)
    ]
    assert unwrap(["Intro ......... 5", "Next . . . . . . 6"], Hyphens([])) == [("Intro 5", False), ("Next 6", True)]


def test_pdf_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="no text in its 2 pages;"):
        read_file(pdf_of(tmp_path / "blank.pdf", [[], []]))
    with pytest.raises(ReaderError, match="locked by a password"):
        read_file(pdf_of(tmp_path / "locked.pdf", [["Secret."]], password="pass"))
    with pytest.raises(ReaderError, match="damaged or not a PDF"):
        read_file(put(tmp_path, "bad.pdf", b"%PDF-1.4 nothing more"))


# ---- docx


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def docx_of(path: Path) -> Path:
    document = new_docx()
    document.core_properties.title = "The manual"
    document.add_heading("Manual", 0)
    document.add_heading("安装", 1)
    document.add_paragraph("先下载。然后运行。")
    document.add_paragraph("one", style="List Bullet")
    document.add_paragraph("two", style="List Number")
    table = document.add_table(rows=2, cols=2)
    for cell, words in zip(table._cells, ("a", "b", "1", "2 | 3"), strict=True):
        cell.text = words
    own = document.styles.add_style("Own head", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = document.styles["Heading 2"]
    document.add_paragraph("Details", style="Own head")
    last = document.add_paragraph("Last words.")
    control, content = OxmlElement("w:sdt"), OxmlElement("w:sdtContent")
    last._p.addprevious(control)
    control.append(content)
    content.append(last._p)
    document.save(str(path))
    return path


def test_docx_in_document_order(tmp_path: Path) -> None:
    path = docx_of(tmp_path / "a.docx")
    assert read(path).metadata["title"] == "The manual"
    assert [(record.kind, record.heading, record.text) for record in records(path)] == [
        ("text", "Manual > 安装", "先下载。"),
        ("text", "Manual > 安装", "然后运行。"),
        ("text", "Manual > 安装", "- one"),
        ("text", "Manual > 安装", "1. two"),
        ("table", "Manual > 安装", "安装 — a: 1; b: 2 | 3"),
        ("text", "Manual > 安装 > Details", "Last words."),
    ]


def test_docx_with_a_lost_picture_still_gives_its_text(tmp_path: Path) -> None:
    whole, broken = docx_of(tmp_path / "whole.docx"), tmp_path / "broken.docx"
    lost = (
        '<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" '
        'Target="media/lost.png"/></Relationships>'
    )
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(broken, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "word/_rels/document.xml.rels":
                data = data.replace(b"</Relationships>", lost.encode())
            target.writestr(name, data)
    with pytest.raises(KeyError, match="no item named"):
        new_docx(str(broken))
    assert texts(broken) == texts(whole)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"PK\x03\x04 cut off", "damaged"), (b"plain words", "damaged"), (OLE + b"\0" * 600, "old Office format")],
)
def test_docx_that_is_none(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(ReaderError, match=reason):
        read_file(put(tmp_path, "a.docx", data))


def test_zip_that_is_no_docx(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ReaderError, match="not a Word document"):
        read_file(tmp_path / "a.docx")


# ---- files and folders


def test_read_file_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        read_file(tmp_path / "missing.txt")
    with pytest.raises(SourceError, match="format that is not read"):
        read_file(put(tmp_path, "a.xyz", "x"))
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(ReaderError, match="cannot be read"):
        read_file(tmp_path / "folder.txt")


def test_suffixes() -> None:
    assert {".txt", ".md", ".html", ".pdf", ".docx", ".rst", ".log"} <= SUFFIXES


def test_markdown_nested_deeply_loses_no_text(tmp_path: Path) -> None:
    path = put(tmp_path, "a.md", "\n".join("  " * depth + "- level" for depth in range(30)))
    assert texts(path) == ["- level"] * 30
