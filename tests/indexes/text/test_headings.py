"""What counts as a heading."""

from __future__ import annotations

import pytest

from indexes.text.headings import article_of, heading_of


@pytest.mark.parametrize(
    ("line", "form", "level"),
    [
        ("# 标题", "markdown", 1),
        ("###### Deep", "markdown", 6),
        ("##没有空格", "markdown", 2),
        ("## 1.2 Numbered and marked ##", "markdown", 2),
        ("第一章", "chinese", 2),
        ("第十二章 违约责任", "chinese", 2),
        ("　　第二节　范围", "chinese", 3),
        ("第3章：安装", "chinese", 2),
        ("第一章总则", "chinese", 2),
        ("第一部分 概述", "chinese", 1),
        ("第二回 贾夫人仙逝扬州城", "chinese", 2),
        ("第 十 二 章　总 则", "chinese", 2),
        ("第一条", "chinese", 4),
        ("　第 三 条 ", "chinese", 4),
        ("第一百二十条之一", "chinese", 4),
        ("第八条（不可抗力）", "chinese", 4),
        ("##3.5", "markdown", 2),
        ("1.2.5", "numbered", 3),
        ("1.2.5 安装步骤", "numbered", 3),
        ("2.1 Overview", "numbered", 2),
        ("2.1范围", "numbered", 2),
        ("10.3.2.1 limits of use", "numbered", 4),
    ],
)
def test_headings(line: str, form: str, level: int) -> None:
    heading = heading_of(line)
    assert heading is not None and (heading.form, heading.level) == (form, level)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "###",
        "普通的一句话。",
        "第一节课我们学习了窗口",
        "第三章讲的是窗口，第四章讲的是检索",
        "第二回合双方打平",
        "第一章的内容很长。",
        "第一条 甲方应当付款",
        "第二条　乙方（下称受托方）应当交货",
        "第三条路通向河边",
        "1. first item",
        "2.1",
        "3.5 metres are enough",
        "3.5%",
        "1.2.3.4,5",
        "2024.11 发布",
        "0.5 毫克",
        "2.1 " + "很长的文字" * 20,
        "1.2 It ends as a sentence.",
    ],
)
def test_no_headings(line: str) -> None:
    assert heading_of(line) is None


@pytest.mark.parametrize(
    ("line", "article"),
    [
        ("第一条 甲方应当付款", "第一条"),
        ("　第 十 二 条　乙方（下称受托方）应当交货。", "第十二条"),
        ("第二条乙方每月交货。", "第二条"),
        ("第八条之一【不可抗力】双方均不负责。", "第八条之一【不可抗力】"),
        ("第5条：费用由甲方承担。", "第5条"),
        ("第三条", None),
        ("第三条的规定适用于附件。", None),
        ("第三条、第四条另有约定的除外。", None),
        ("第三条规定的期限为十天。", None),
        ("第三条路通向河边。", None),
        ("依照第三条 付款", None),
    ],
)
def test_an_article_with_text_behind_it(line: str, article: str | None) -> None:
    assert article_of(line) == article
