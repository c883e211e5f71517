"""Recognise headings, with one function for all callers.

The forms are those of Markdown, of Chinese books, laws and manuals (第一章, 第二节), and of specifications (1.2.5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_CHARS = 80  # a longer line is text, unless it is Markdown

_MARKDOWN = re.compile(r"[ ]{0,3}(#+)")
_NUMERAL = "[零〇一二三四五六七八九十百千两\\d０-９]{1,9}"
# Law books put blanks between the characters: 第 十 二 章.
_SPACED = "[零〇一二三四五六七八九十百千两\\d０-９](?:[ 　]?[零〇一二三四五六七八九十百千两\\d０-９]){0,8}"
_CHINESE = re.compile(rf"[ \t　]*(第[ 　]?{_SPACED}[ 　]?(部分|[卷部篇编集章回节]))(?:([ \t　:：、.．—-]+)(.*)|(.*))$")
# An article alone on its line, at most with its name in brackets. With text after it, it begins a sentence.
_ARTICLE = re.compile(
    rf"[ \t　]*第[ 　]?{_SPACED}[ 　]?条(?:之{_NUMERAL})?[ 　]*"
    r"(?:[（(【〔][^（()）【】〔〕]{1,30}[）)】〕])?[ \t　]*$"
)
# An article followed by its text: 第三条 甲方应当付款, 第三条【付款】甲方应当付款, 第三条甲方应当付款.
_ARTICLE_START = re.compile(
    rf"[ \t　]*(第[ 　]?{_SPACED}[ 　]?条(?:[ 　]?之[ 　]?{_NUMERAL})?"
    r"(?:[ \t　]*[（(【〔][^（()）【】〔〕\n]{1,30}[）)】〕])?)([ \t　:：.．]*)([^\s])"
)
_REFERS = "的是第所至中和及与或、，。；！？,;款项规等内外以"  # 第三条的规定, 第三条、第四条 refer to an article
_COUNTS = "路线河鱼街狗龙命腿船裤裙被绳蛇铁轨道消新信评建意理原产主"  # 第三条路: here 条 counts things
_CHINESE_LEVELS = {"卷": 1, "部": 1, "篇": 1, "编": 1, "集": 1, "部分": 1, "章": 2, "回": 2, "节": 3}
_GOES_ON = {  # 第一节课, 第二回合, 第三部电影 are words of a sentence
    "节": "课目日点约制省气", "回": "合来答到家应去", "部": "分门队电手小作长影戏", "集": "团合中成体", "卷": "入起积",
    "篇": "文幅", "编": "号辑写程", "章": "程鱼节", "部分": "是的人",
}  # fmt: skip
_NUMBERED = re.compile(
    r"[ \t　]*([1-9]\d{0,2}(?:[.．]\d{1,3}){1,5})[.．、]?(?:([ \t　:：]+)(.+)|([^\s\d.,，、%％].*))?$"
)
_SENTENCE_END = "。！？；，,;!?…"
_TITLE_START = re.compile(r"[^\W\d_a-z]|[(（《“\"「【<`*]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading line.

    >>> heading_of("第二章 付款"), heading_of("1.2.5 Returns")
    (Heading(form='chinese', level=2, title='第二章 付款'), Heading(form='numbered', level=3, title='1.2.5 Returns'))

    Args:
        form: "markdown", "chinese" or "numbered"; levels are comparable within one form.
        level: 1 is outermost: number of #; 1 for 卷部篇编集, 2 for 章回, 3 for 节, 4 for 条; parts of the number
            (1.2.5 has 3).
        title: the words, for Markdown without its marks.
    """

    form: str
    level: int
    title: str


ARTICLE_LEVEL = 4


def article_of(line: str) -> str | None:
    """Return number and name of the article of a law or contract with which a line begins, if text follows it.

    >>> article_of("第 三 条　甲方应当付款。"), article_of("第八条【利息】年息三厘。"), article_of("第二条乙方交货。")
    ('第三条', '第八条【利息】', '第二条')
    >>> article_of("第三条的规定适用于本条。"), article_of("第三条路通向河边。"), article_of("第三条")
    (None, None, None)
    """
    match = _ARTICLE_START.match(line)
    if match is None or (not match.group(2) and match.group(1)[-1] in "条之" and match.group(3) in _REFERS + _COUNTS):
        return None
    return "".join(match.group(1).split())


def heading_of(line: str) -> Heading | None:
    """Return the heading that a line is, or None.

    A line that begins with # is Markdown, with or without a blank after the marks. The other forms must be short and
    must not end like a sentence.

    >>> heading_of("第二节 范围"), heading_of("1.2.5 Limits"), heading_of("##安装")
    (Heading(form='chinese', level=3, title='第二节 范围'), Heading(form='numbered', level=3, title='1.2.5 Limits'), \
Heading(form='markdown', level=2, title='安装'))
    >>> heading_of("第一节课讲了窗口。"), heading_of("3.5 metres are enough"), heading_of("#")
    (None, None, None)
    """
    match = _MARKDOWN.match(line)
    if match:
        title = line[match.end() :].strip().rstrip("#").rstrip()
        return Heading("markdown", min(len(match.group(1)), 6), title) if title else None
    title = " ".join(line.split())
    if not title or len(title) > MAX_CHARS or title[-1] in _SENTENCE_END:
        return None
    match = _CHINESE.match(line)
    if match:
        unit, direct = match.group(2), match.group(5) or ""
        if direct and (direct[0] in _GOES_ON[unit] or len(direct) > 30 or any(mark in direct for mark in "，。；！？")):
            return None
        return Heading("chinese", _CHINESE_LEVELS[unit], title)
    if _ARTICLE.match(line):
        return Heading("chinese", 4, title)
    match = _NUMBERED.match(line)
    if match and not title.endswith("."):
        number = match.group(1).replace("．", ".")
        spaced, words = match.group(2), (match.group(3) or match.group(4) or "").strip()
        depth = number.count(".") + 1
        if not words:
            return Heading("numbered", depth, title) if depth > 2 else None
        # "3.5 metres" and "3.5mm" continue in lower case; Chinese has no case: 2.1 范围 counts, 2.1% does not.
        if (depth > 2 or _TITLE_START.match(words)) and (spaced or not words[0].isascii()):
            return Heading("numbered", depth, title)
    return None
