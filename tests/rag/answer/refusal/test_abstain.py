"""Refusals are recognised, answers that only mention something missing are not."""

from __future__ import annotations

import pytest

from rag.answer.language import NOT_FOUND
from rag.answer.refusal.abstain import says_not_found, too_weak
from rag.settings import AnswerSettings

REFUSALS_EN = [
    NOT_FOUND["en"],
    "The answer is not in these documents",
    '"The answer is not in these documents."',
    "The answer is not in these documents. [1]",
    "The passages do not contain the answer.",
    "The passages do not contain information about the price of tea.",
    "The provided context does not mention a release date.",
    "The documents don't say who wrote it.",
    "The text doesn’t specify a port.",
    "There is no information about the author in the passages.",
    "There is no mention of Windows in the provided documents.",
    "I could not find the answer in the passages.",
    "I'm sorry, but I cannot answer this question from the passages.",
    "I am sorry. The documents do not contain this information. Please provide more context.",
    "Unfortunately, the provided passages do not provide any details on this.",
    "The release date is not mentioned in the passages.",
    "This information is not provided in the given documents.",
    "None of the passages mention the price.",
    "I don't know.",
    "No relevant information was found.",
    "Not found.",
    "Not in these documents.",
    "The passages do not contain information about this [1][2].",
    "Based on the passages, it is not possible to answer; the passages do not contain the answer.",
    "The question cannot be answered from the passages.",
    "",
]
REFUSALS_ZH = [
    NOT_FOUND["zh"],
    "这些文档中没有找到答案",
    "文档中没有找到相关信息。",
    "文档中没有找到答案。[1]",
    "抱歉，文档中没有提到作者是谁。",
    "对不起，根据提供的资料无法回答这个问题。",
    "段落中没有包含关于价格的信息。",
    "所给段落未提及发布日期。",
    "提供的上下文中并未说明端口号。",
    "根据现有资料，无法确定答案。",
    "没有找到相关内容。",
    "资料里没有相关的记载。",
    "我不知道。",
    "未找到相关信息。请提供更多资料。",
    "很抱歉。这些段落没有提供足够的信息来回答您的问题。",
    "无法从给出的段落中得出答案。",
    "文中没有提到孙悟空的生日[1]。",
]
ANSWERS_EN = [
    "Qdrant Edge is the default engine [1].",
    "The passages do not mention a date, but the guide says version 2 came out in May [1].",
    "If the file is not found in the documents folder, the reader raises an error [2].",
    "The collection does not contain duplicates, since each sentence is stored once [1].",
    "The documents do not contain page numbers when they are Markdown [1].",
    "The server answers 404 when the model is not found.",
    "No. The window can be changed at query time [1].",
    "The index does not store the text twice [3].",
    "The passages do not say who wrote it. The editor was Anna Berg [2].",
    "It prints 'not found' and exits with code 2 [1].",
]
ANSWERS_ZH = [
    "默认窗口是三句话[1]。",
    "如果文档中没有找到配置文件，则使用默认值[1]。",
    "文档没有被删除，只是移到了回收站[2]。",
    "文中没有提到日期，但是指南说第二版于五月发布[1]。",
    "该命令在没有找到集合时会报错[1]。",
    "孙悟空没有找到师父，便独自回了花果山[3]。",
    "这个索引不包含重复的句子，因为每句话只存一次[1]。",
    "段落没有写作者。编辑是王小明[2]。",
]


@pytest.mark.parametrize("answer", REFUSALS_EN)
def test_english_refusals(answer: str) -> None:
    assert says_not_found(answer, "en")


@pytest.mark.parametrize("answer", REFUSALS_ZH)
def test_chinese_refusals(answer: str) -> None:
    assert says_not_found(answer, "zh")


@pytest.mark.parametrize("answer", ANSWERS_EN)
def test_english_answers(answer: str) -> None:
    assert not says_not_found(answer, "en")


@pytest.mark.parametrize("answer", ANSWERS_ZH)
def test_chinese_answers(answer: str) -> None:
    assert not says_not_found(answer, "zh")


def test_refusal_in_the_other_language_counts() -> None:
    assert says_not_found("The passages do not contain the answer.", "zh")
    assert says_not_found("文档中没有找到相关信息。", "en")
    assert says_not_found(NOT_FOUND["zh"], "en")


def test_a_long_text_is_never_a_refusal() -> None:
    assert not says_not_found("The passages do not contain the answer. " * 30, "en")


def test_too_weak() -> None:
    plain, strict = AnswerSettings(), AnswerSettings(abstain_below=0.4)
    assert too_weak(None, plain)
    assert not too_weak(0.0, plain)
    assert too_weak(0.39, strict)
    assert not too_weak(0.4, strict)
    assert not too_weak(-1.0, plain)
