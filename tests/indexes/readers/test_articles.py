"""Chapters and articles of laws and contracts in every format: headings where they stand alone, else in the path."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest

from indexes.nodes import ParentChildNodeParser, SentenceWindowNodeParser
from indexes.readers import read_file

LINES = [
    "第一章 总则",
    "第一条 仓库由港务处管理。货物按批次登记。",
    "第二条货主每年盘点一次。",
    "第二章保管",
    "第三条",
    "冷库温度不得高于四度。",
    "第 四 条　易碎货物单独存放。",
]
PATHS = {
    "仓库由港务处管理。": "第一章 总则 > 第一条",
    "货物按批次登记。": "第一章 总则 > 第一条",
    "货主每年盘点一次。": "第一章 总则 > 第二条",
    "冷库温度不得高于四度。": "第二章保管 > 第三条",
    "易碎货物单独存放。": "第二章保管 > 第四条",
}


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"rules{suffix}"
    if suffix == ".docx":
        document = docx.Document()
        for line in LINES:
            document.add_paragraph(line)
        document.save(str(path))
    elif suffix == ".html":
        path.write_text("".join(f"<p>{line}</p>" for line in LINES), encoding="utf-8")
    elif suffix == ".hard.md":  # articles on lines of one paragraph
        path.write_text("\n\n".join(LINES[:1]) + "\n\n" + "\n".join(LINES[1:3]) + "\n\n" + "\n\n".join(LINES[3:]))
    else:
        path.write_text("\n\n".join(LINES), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".txt", ".md", ".hard.md", ".html", ".docx"])
def test_each_sentence_knows_its_chapter_and_article(tmp_path: Path, suffix: str) -> None:
    (document,) = read_file(write(tmp_path, suffix))
    nodes = SentenceWindowNodeParser.from_defaults().get_nodes_from_documents([document])
    found = {end: node.metadata["heading"] for node in nodes for end in PATHS if node.text.endswith(end)}
    assert found == PATHS
    assert any(node.text.startswith("第一条 仓库") for node in nodes)  # the number begins its sentence


@pytest.mark.parametrize("suffix", [".txt", ".md", ".docx"])
def test_parents_and_children_follow_articles(tmp_path: Path, suffix: str) -> None:
    (document,) = read_file(write(tmp_path, suffix))
    nodes = ParentChildNodeParser(child_max_chars=30, parent_max_chars=60).get_nodes_from_documents([document])
    articles = [node for node in nodes if node.text.startswith(("第一条", "第二条", "第 四 条"))]
    assert {node.metadata["heading"].split(" > ")[-1] for node in articles} == {"第一条", "第二条", "第四条"}


def test_marks_without_a_blank_and_mixed_numbering(tmp_path: Path) -> None:
    path = tmp_path / "manual.md"
    path.write_text(
        "# 手册\n\n##3.5 附则\n\n第一条 按表收费。\n\n###安装\n\n先关水阀。\n\n#话题# 与 #tag 不是标题。\n\n"
        "```\n##3.6 代码\n```\n"
    )
    (document,) = read_file(path)
    nodes = SentenceWindowNodeParser.from_defaults().get_nodes_from_documents([document])
    assert {node.text: node.metadata.get("heading") for node in nodes if "##" not in node.text} == {
        "第一条 按表收费。": "手册 > 3.5 附则 > 第一条",
        "先关水阀。": "手册 > 3.5 附则 > 安装",
        "#话题# 与 #tag 不是标题。": "手册 > 3.5 附则 > 安装",
    }
    assert any("##3.6" in node.text for node in nodes)  # code stays code


def test_marks_in_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(
        "# Boats\n\nThe ferry is red.\n\n##2.1 时刻\n八点开船。\n\nset x\n# a comment\nset y\n\n# one more\nset z\n"
    )
    (document,) = read_file(path)
    nodes = SentenceWindowNodeParser.from_defaults().get_nodes_from_documents([document])
    paths = {node.text: node.metadata.get("heading") for node in nodes}
    assert paths["The ferry is red."] == "Boats" and paths["八点开船。"] == "Boats > 2.1 时刻"
    assert any("# a comment" in text for text in paths) and any("# one more" in text for text in paths)


def test_headings_on_lines_of_one_paragraph_in_markdown(tmp_path: Path) -> None:
    path = tmp_path / "contract.md"
    path.write_text(
        "货运合同\n\n第一章总则\n第一条 甲方托运货物。\n第 二 章　运费\n第二条\n运费每吨九十元。\n"
        "2.1.1 付款方式\n货到付款。\n本合同依照\n第二条\n解释。\n"
    )
    (document,) = read_file(path)
    nodes = SentenceWindowNodeParser.from_defaults().get_nodes_from_documents([document])
    assert [(node.text, node.metadata.get("heading")) for node in nodes] == [
        ("货运合同", None),
        ("第一条 甲方托运货物。", "第一章总则 > 第一条"),
        ("运费每吨九十元。", "第 二 章 运费 > 第二条"),
        ("货到付款。", "第 二 章 运费 > 第二条 > 2.1.1 付款方式"),
        ("本合同依照第二条解释。", "第 二 章 运费 > 第二条 > 2.1.1 付款方式"),
    ]


def test_numbered_lines_are_headings_below_chapters_only(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<p>1.2 苹果</p><p>第一章 水果</p><p>1.2 苹果</p><p>每斤五元。</p><p>##3.5 附则</p><p>见附表。</p>")
    (document,) = read_file(path)
    nodes = SentenceWindowNodeParser.from_defaults().get_nodes_from_documents([document])
    assert [(node.text, node.metadata.get("heading")) for node in nodes] == [
        ("1.2 苹果", None),
        ("每斤五元。", "第一章 水果 > 1.2 苹果"),
        ("见附表。", "3.5 附则"),
    ]
