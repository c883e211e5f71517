"""E-books, notebooks, JSON, source code, zip archives, pictures, HTML's main content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexes.errors import ReaderError
from indexes.readers import read_file
from indexes.readers.outline import notes_of
from indexes.settings.sections import ReadSettings
from tests.indexes.readers.reader_files import check_tiles, pieces, put, read_one, sections, zip_of

CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>Owl book</dc:title><dc:creator>A. Writer</dc:creator></metadata><manifest>
<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/a%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="lost" href="lost.xhtml" media-type="application/xhtml+xml"/>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/></manifest>
<spine><itemref idref="nav"/><itemref idref="a"/><itemref idref="b"/><itemref idref="lost"/></spine></package>"""
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/nav.xhtml": '<html><nav><a href="text/a%20b.xhtml">Night</a><a href="b.xhtml#x">Day</a></nav></html>',
    "OEBPS/text/a b.xhtml": "<html><head><title/></head><body><h1>Night<a id='x'/></h1><p>Owls hunt.</p></body></html>",
    "OEBPS/b.xhtml": '<?xml version="1.0" encoding="utf-8"?><html><body><p>猫头鹰白天睡觉。</p></body></html>',
}


def test_epub(tmp_path: Path) -> None:
    document = read_one(put(tmp_path, "a.epub", zip_of(dict(BOOK))))
    assert document.metadata["title"] == "Owl book"
    assert pieces(document) == [
        ("heading", ("Night",), "Night"),
        ("text", ("Night",), "Owls hunt."),
        ("text", ("Day",), "猫头鹰白天睡觉。"),
    ]
    assert [s.place for s in sections(document)] == ["a b.xhtml", "a b.xhtml", "b.xhtml"]
    assert notes_of(document) == ["1 of its chapters are listed but missing"]


def test_epub_that_cannot_be_read(tmp_path: Path) -> None:
    drm = '<encryption><EncryptedData><EncryptionMethod Algorithm="x"/></EncryptedData></encryption>'
    with pytest.raises(ReaderError, match="protected against copying"):
        read_one(put(tmp_path, "a.epub", zip_of({**BOOK, "META-INF/encryption.xml": drm})))
    with pytest.raises(ReaderError, match="no package file"):
        read_one(put(tmp_path, "b.epub", zip_of({"x.txt": "x"})))


def test_notebook(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Some *words*.\n"]},
        {"cell_type": "code", "source": "print(1)\n\n\nprint(2)", "outputs": [{"text": "1"}]},
        {"cell_type": "raw", "source": ""},
    ]
    document = read_one(put(tmp_path, "a.ipynb", json.dumps({"cells": cells, "nbformat": 4})))
    assert pieces(document) == [
        ("heading", ("Title",), "Title"),
        ("text", ("Title",), "Some words."),
        ("code", ("Title",), "print(1)\n\n\nprint(2)"),
    ]
    assert [s.place for s in sections(document)] == ["cell 1", "cell 1", "cell 2"]
    for data, reason in (("{}", "no cells"), ("{", "damaged"), ("[1]", "no cells")):
        with pytest.raises(ReaderError, match=reason):
            read_one(put(tmp_path, "b.ipynb", data))


def test_json_as_it_is(tmp_path: Path) -> None:
    rows = [{"name": "tea", "price": 3}, {"name": "cup", "price": None, "new": True}]
    document = read_one(put(tmp_path, "a.json", json.dumps(rows)))
    assert document.text == "| name | price | new |\n| --- | --- | --- |\n| tea | 3 |  |\n| cup |  | true |"
    assert sections(document)[0].place == "[0] - [1]"
    whole = {"title": "T", "body": "long " * 60, "tags": ["a", "b"], "rows": rows}
    document = read_one(put(tmp_path, "b.json", json.dumps(whole)))
    assert document.metadata["title"] == "T"
    assert document.text.startswith("title: T\n\nbody:\nlong long") and "tags: a, b" in document.text
    assert sections(document)[-1].kind == "table" and sections(document)[-1].place == "rows[0] - rows[1]"


def test_json_lines_with_a_field(tmp_path: Path) -> None:
    lines = '{"id": 1, "text": {"body": "First."}}\nno json\n\n{"id": 2}\n{"id": 3, "text": {"body": "Third."}}\n'
    path = put(tmp_path, "a.jsonl", lines)
    document = read_one(path, json_field="text.body")
    assert document.text == "First.\n\nThird."
    assert [s.place for s in sections(document)] == ["line 1", "line 5"]
    assert notes_of(document) == [
        "1 of its lines are not JSON and were left out: 2",
        "1 of its 3 records have nothing at 'text.body'",
    ]
    with pytest.raises(ReaderError, match=r"nothing at read.json_field 'nope'; its fields are: id, text"):
        read_one(path, json_field="nope")
    nested = put(tmp_path, "b.json", '{"items": [{"b": "x"}, {"b": "y"}]}')
    assert read_one(nested, json_field="items[].b").text == "x\n\ny"


@pytest.mark.parametrize(
    ("data", "reason"), [('{"a": 1', "not JSON"), ("[" * 100_000, "nested|JSON"), ("x\ny", "not JSON")]
)
def test_json_that_is_none(tmp_path: Path, data: str, reason: str) -> None:
    for name in ("a.json", "a.jsonl"):
        with pytest.raises(ReaderError, match=reason):
            read_one(put(tmp_path, name, data))


def test_source_code(tmp_path: Path) -> None:
    code = '"""Doc."""\n\nimport os\n\n\nclass Owl:\n    """Bird."""\n\n    def hunt(self):\n        pass\n\n\n'
    code += "def rest():\n    pass\n"
    document = read_one(put(tmp_path, "a.py", code))
    assert document.text == code
    assert [(s.heading, s.place, s.kind) for s in sections(document)] == [
        ((), "lines 1-3", "code"),
        (("Owl",), "lines 6-7", "code"),
        (("Owl", "hunt"), "lines 9-10", "code"),
        (("rest",), "lines 13-14", "code"),
    ]
    assert document.metadata["title"] == "a.py" and document.metadata["language"] == "python"
    java = "public class A {\n\n    public int size(int a) {\n        return 1;\n    }\n}\n"
    assert [s.heading for s in sections(read_one(put(tmp_path, "A.java", java)))] == [("A",), ("A", "size")]
    settings = "a: 1\n\n" * 2000
    document = read_one(put(tmp_path, "a.yaml", settings))
    assert document.text == settings and 2 < len(sections(document)) < 20


def test_zip_members_are_documents_of_their_own(tmp_path: Path) -> None:
    inner = zip_of({"deep.md": "# Deep\n\nWords.", "deeper.zip": zip_of({"x.txt": "x"})})
    members = {
        "a/../../b.txt": "你好。".encode("gbk"),
        "c.png": b"x",
        "in.zip": inner,
        "bad.pdf": b"%PDF",
        "d.csv": "a,b\n1,2",
    }
    path = put(tmp_path, "all.zip", zip_of(members))
    skipped: list[tuple[str, str]] = []
    documents = read_file(path, on_skip=lambda name, reason: skipped.append((name, reason)))
    root = path.resolve().as_posix()
    assert [d.node_id for d in documents] == [f"{root}!/a/b.txt", f"{root}!/in.zip!/deep.md", f"{root}!/d.csv"]
    assert [d.metadata["file_type"] for d in documents] == ["text", "markdown", "csv"]
    assert documents[0].text == "你好。" and documents[0].metadata["source"] == f"{root}!/a/b.txt"
    for document in documents:
        check_tiles(document)
    assert [name.removeprefix(root) for name, _ in skipped] == ["!/c.png", "!/in.zip!/deeper.zip", "!/bad.pdf"]
    assert "format that is not read" in skipped[0][1] and "other archives" in skipped[1][1]
    notes = notes_of(read_file(path)[0])
    assert "is a guess" in notes[0]
    assert len(notes) == 4 and "bad.pdf' is damaged or not a PDF" in notes[2]
    assert notes[3] == "1 of its files are of formats that are not read (.png)"
    deep = read_file(path, settings=ReadSettings(archive_depth=3))
    assert f"{root}!/in.zip!/deeper.zip!/x.txt" in [d.node_id for d in deep]


def test_zip_names_of_chinese_windows(tmp_path: Path) -> None:
    data = zip_of({"AAAA.txt": "x"}).replace(b"AAAA", "说明".encode("gbk"))
    assert read_file(put(tmp_path, "a.zip", data))[0].node_id.endswith("!/说明.txt")


def test_pictures_become_links_below_the_base(tmp_path: Path) -> None:
    base = "https://example.com/files/"
    html = '<p>See <img src="./p/a b.png"> and <img src="data:x"></p><table><tr><td>k<td><img src="/c.png"></table>'
    md = "See ![an owl](../p/o(1).png) and <img src='x.png'>.\n\n| a | b |\n|---|---|\n| 1 | ![x](y.png) |\n"
    document = read_one(put(tmp_path, "a.html", html), image_base_url=base)
    assert document.text == (
        "See ![image](https://example.com/files/p/a%20b.png) and\n\n"
        "|  |  |\n| --- | --- |\n| k | ![image](https://example.com/files/c.png) |"
    )
    document = read_one(put(tmp_path, "a.md", md), image_base_url=base)
    assert document.text.startswith(
        "See ![image](https://example.com/files/p/o%281%29.png) and ![image](https://example.com/files/x.png)."
    )
    assert "| 1 | ![image](https://example.com/files/y.png) |" in document.text
    assert read_one(tmp_path / "a.md").text.startswith("See an owl and .")
    own = read_one(put(tmp_path, "b.md", "![x](https://a.org/b.png)"), image_base_url=base)
    assert own.text == "![image](https://a.org/b.png)"


def test_html_main_content(tmp_path: Path) -> None:
    html = (
        "<body><div class='site-menu'><a href=a>Home</a> <a href=b>News</a></div>"
        "<div class=breadcrumbs>You are here</div>"
        "<div role=main><h1>Owls</h1><p>Owls hunt at night.</p>"
        "<div class='social-share'><a>Share</a></div></div><div>Other things that are outside.</div></body>"
    )
    assert read_one(put(tmp_path, "a.html", html)).text == "Owls\n\nOwls hunt at night."
    html = "<body><div id=sidebar><a>a link</a></div><div><p>Words without a main element.</p></div></body>"
    assert read_one(put(tmp_path, "b.html", html)).text == "Words without a main element."


def test_what_is_filled_into_an_html_form(tmp_path: Path) -> None:
    html = (
        "<main><p>Plate <input value='AB 12'></p><p><label><input type=checkbox checked> Resident</label></p>"
        "<p><label><input type=radio> Guest</label></p><div><input type=radio checked>tab</div>"
        "<input type=hidden value=no><input type=password value=no><input type=submit value=no>"
        "<table><tr><td>Name</td><td><input value=Eva></td></tr><tr><td>Phone</td>"
        "<td><input type=tel value=88></td></tr></table></main>"
    )
    document = read_one(put(tmp_path, "a.html", html))
    assert document.text.startswith("Plate AB 12\n\n[x] Resident\n\nGuest\n\ntab\n\n") and "no" not in document.text
    assert document.text.endswith("| Name | Eva |\n| Phone | 88 |")


def test_counts_are_named_in_the_plural(tmp_path: Path) -> None:
    html = "<p><ruby>东<rt>dong</rt></ruby>西<ruby>南<rt>nan</rt></ruby>。<s>a</s> b <s>c</s></p>"
    notes = notes_of(read_one(put(tmp_path, "a.html", html)))
    assert notes == ["left out: 2 readings of characters, 2 struck-through passages"]


def test_html_tables(tmp_path: Path) -> None:
    html = (
        "<table><caption>Prices</caption><tr><th>kind<th>size<th>price<tr><td rowspan=2>tea<td>big<td>3"
        "<tr><td>small<td>2"
        "<tr><td colspan=2>cup<td>1</table><table><tr><th>Name<td>Owl<tr><th>Food<td>Mice</table>"
    )
    document = read_one(put(tmp_path, "a.html", html))
    assert document.text == (
        "Prices\n\n| kind | size | price |\n| --- | --- | --- |\n| tea | big | 3 |\n| tea | small | 2 |\n"
        "| cup |  | 1 |\n\n"
        "|  |  |\n| --- | --- |\n| Name | Owl |\n| Food | Mice |"
    )
    assert [s.caption for s in sections(document)] == ["", "Prices", ""]
