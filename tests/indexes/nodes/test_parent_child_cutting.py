"""Parent-child chunks: the rules one by one, and what always holds."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from indexes.nodes.blocks import IMAGE, text_blocks
from indexes.nodes.dify import as_dify, split_text, to_dify
from indexes.nodes.parent_child_cutting import parents_of

BOOK = """写在前面。

# 手册

总述。

## 安装

先下载。

### 视窗系统

双击。

### 类 Unix 系统

运行脚本。

## 使用

提问。

# 附录

许可。
"""


def sizes(parents: list[list[str]]) -> list[list[int]]:
    return [[len(child) for child in parent] for parent in parents]


def test_first_pass_by_headings() -> None:
    assert split_text(BOOK) == [
        ["写在前面。"],
        [
            "# 手册\n\n总述。",
            "## 安装\n\n先下载。\n\n### 视窗系统\n\n双击。\n\n### 类 Unix 系统\n\n运行脚本。",
            "## 使用\n\n提问。",
        ],
        ["# 附录\n\n许可。"],
    ]


def test_dify_separators() -> None:
    assert to_dify("第一章 总则\n概述。\n第一节 目的\n甲。\n第二节 范围\n乙。\n第二章 附则\n丙。") == (
        "第一章 总则\n概述。\n------\n第一节 目的\n甲。\n------\n第二节 范围\n乙。\n======\n第二章 附则\n丙。\n"
    )


def test_a_line_like_a_separator_is_no_separator() -> None:
    assert as_dify([["a\n------\nb"]]) == "a\n ------\nb\n"


def test_a_child_over_its_limit_splits_at_its_sub_headings_first() -> None:
    parents = split_text(BOOK, child_max_chars=30, parent_max_chars=1000)
    assert parents[1] == [
        "# 手册\n\n总述。",
        "## 安装\n\n先下载。",
        "### 视窗系统\n\n双击。",
        "### 类 Unix 系统\n\n运行脚本。",
        "## 使用\n\n提问。",
    ]


def test_a_parent_below_the_child_limit_becomes_a_child() -> None:
    parents = split_text(BOOK, child_max_chars=60, parent_max_chars=1000)
    assert parents[1][1].startswith("## 安装") and parents[1][1].endswith("运行脚本。")
    assert split_text(BOOK, child_max_chars=500, parent_max_chars=1000)[1:2] == [
        [BOOK[6 : BOOK.index("# 附录")].strip()]
    ]


def test_a_parent_is_filled_along_its_children() -> None:
    """The example of the specification: limit 500, children 300, 150, 200: first parent 300, second 150 + 200."""
    bodies = [f"## {mark}\n{mark * (length - 5)}" for mark, length in (("甲", 300), ("乙", 150), ("丙", 200))]
    text = "\n".join(bodies)
    parents = split_text("# 总\n" + text, child_max_chars=300, parent_max_chars=500)
    assert sizes(parents) == [[3, 300], [150, 200]]


def test_a_full_parent_is_followed_by_the_next() -> None:
    text = "# 总\n" + "\n".join(f"## {i}\n{'字' * 95}" for i in range(6))
    assert sizes(split_text(text, child_max_chars=100, parent_max_chars=303)) == [[3, 100, 100, 100], [100] * 3]


def test_atomic_blocks_are_never_cut() -> None:
    code = "```python\n" + "\n".join(f"x{i} = {i}  # 1.2 not a heading" for i in range(20)) + "\n# nor this\n```"
    table = "| a | b |\n| --- | --- |\n" + "\n".join(f"| {i} | 值 |" for i in range(30))
    image = "![image](https://example.org/" + "long/" * 20 + "a.png)"
    text = f"# 一\n前文。\n\n{code}\n\n中间。\n\n{table}\n\n看{image}图。后文。"
    parents = split_text(text, child_max_chars=60, parent_max_chars=100)
    assert [code] in parents and [table] in parents and [image] in parents


def test_an_atomic_block_takes_its_heading_along() -> None:
    table = "| a | b |\n| --- | --- |\n" + "\n".join(f"| {i} | 值 |" for i in range(30))
    parents = split_text(f"# 一\n前文。\n## 表\n{table}\n## 二\n后文。", child_max_chars=60, parent_max_chars=100)
    assert parents == [["# 一\n前文。"], ["## 表", table], ["## 二\n后文。"]]


def test_small_atomic_blocks_stay_in_their_child() -> None:
    text = "# 一\n见图：\n\n![image](a.png)\n\n```\nx = 1\n```"
    assert split_text(text, child_max_chars=100, parent_max_chars=200) == [[text]]


def test_html_tables_and_images() -> None:
    html = (
        "前。\n<table><tr><th>名</th><th>图</th></tr>"
        "<tr><td rowspan=2>甲</td><td><img alt='x' src='p/a b.png'></td></tr>"
        "<tr><td>![](q.png)</td></tr></table>\n"
        "后。![旧](./c.png) <img src=/d.png> ![网](https://h/e.png)\n```\n<img src=x>\n```"
    )
    assert to_dify(html, image_base_url="https://cdn/i/") == (
        "前。\n\n| 名 | 图 |\n| --- | --- |\n"
        "| 甲 | ![image](https://cdn/i/p/a%20b.png) |\n| 甲 | ![image](https://cdn/i/q.png) |\n\n"
        "后。![image](https://cdn/i/c.png) ![image](https://cdn/i/d.png) ![image](https://h/e.png)\n"
        "```\n<img src=x>\n```\n"
    )


def test_the_optional_pass_promotes_unrelated_children() -> None:
    text = "第一章 常见问题\n第一节 打印\n甲。\n第二节 联网\n乙。\n第二章 步骤\n第一节 先\n丙。\n第二节 后\n丁。"
    asked: list[list[str]] = []

    def together(children: list[str]) -> bool:
        asked.append(list(children))
        return "步骤" in children[0]

    parents = split_text(text, together=together)
    assert parents == [
        ["第一章 常见问题", "第一节 打印\n甲。"],
        ["第二节 联网\n乙。"],
        ["第二章 步骤", "第一节 先\n丙。", "第二节 后\n丁。"],
    ]
    assert len(asked) == 2


def test_indented_fences_are_code() -> None:
    text = '=== "Python"\n\n    ```python\n    # 1 of 2\n# no heading\n    ```\n\n完。'
    assert [block.kind for block in text_blocks(text)] == ["text", "code", "text"]


def test_unclosed_fences_and_tables_do_not_swallow_the_rest() -> None:
    text = "```\n" * 3 + "# 一\n甲。\n<table>\n# 二\n乙。"
    assert [block.title for block in text_blocks(text) if block.kind == "heading"] == ["一", "二"]


LINES = st.sampled_from(
    [
        "# 章", "## 节", "###条", "第一章 总则", "第二节 范围", "1.2 范围", "1.2.5 步骤", "", "", "短句。",
        "A short one. And two.", "很长的一句话，" * 6, "没有标点的文字" * 9, "| a | b |", "| --- | --- |", "| 1 | 2 |",
        "```", "~~~", "x = 1", "![image](http://h/" + "p" * 40 + ".png)", "文中![image](a.png)有图，" * 3,
        "<table><tr><td>1</td></tr></table>", "<table>", "------", "======", "　　缩进。", "\t- item",
    ]
)  # fmt: skip
DOCUMENTS = st.lists(LINES, max_size=40).map("\n".join)


@hypothesis_settings(max_examples=300, deadline=None)
@given(DOCUMENTS, st.sampled_from([(None, None), (20, 20), (20, 50), (30, 200), (80, 100), (40, None)]))
@example("```\n```\n# 章", (20, 20))
def test_what_always_holds(text: str, limits: tuple[int | None, int | None]) -> None:
    child_max, parent_max = limits
    parents = parents_of(text, text_blocks(text), child_max=child_max, parent_max=parent_max)
    chunks = [child for parent in parents for child in parent]
    at = 0
    for child in chunks:  # order kept, nothing repeated, nothing but white space between
        assert child.start >= at and not text[at : child.start].strip()
        assert text[child.start : child.end] == text[child.start : child.end].rstrip() != ""
        at = child.end
    assert not text[at:].strip()
    for parent in parents:
        assert parent
        atomic = [child for child in parent if child.alone]
        if child_max is not None:
            assert all(len(child) <= child_max for child in parent if not child.alone)
        if parent_max is not None and not atomic:
            assert sum(map(len, parent)) <= parent_max
        for child in atomic:
            shown = text[child.start : child.end]
            assert shown[0] in "|<`~!" or IMAGE.fullmatch(shown)
            assert all(other.kind == "heading" for other in parent if other is not child)
    starts = {child.start for child in chunks} | {child.end for child in chunks}
    for block in text_blocks(text):
        if block.kind in ("code", "table", "image"):
            assert not any(block.start < place < block.end for place in starts)
    for image in IMAGE.finditer(text):
        assert not any(image.start() < place < image.end() for place in starts)


@hypothesis_settings(max_examples=150, deadline=None)
@given(DOCUMENTS)
def test_the_dify_text_holds_every_word_once(text: str) -> None:
    plain = [line for line in text.split("\n") if line.strip() not in ("------", "======")]
    text = "\n".join(plain)
    parents = split_text(text, child_max_chars=30, parent_max_chars=90)
    shown = as_dify(parents)
    if "<table>" not in text:
        words = "".join(line for line in shown.split("\n") if line not in ("======", "------"))
        assert re.sub(r"\s", "", words) == re.sub(r"\s", "", text)
    assert shown.count("\n======\n") == max(len(parents) - 1, 0)
    assert shown.count("\n------\n") == sum(len(parent) - 1 for parent in parents)
