"""Answers made of the documents' own sentences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.nodes.record import SentenceRecord
from rag.answer.extractive import extract_answer
from rag.retrieval.candidate import Passage

MakePassage = Callable[..., Passage]


@pytest.mark.parametrize(
    ("question", "language", "expected"),
    [
        ("Which engine is the default?", "en", "Qdrant Edge is the embedded engine and the default. [1]"),
        ("What port does the server listen on?", "en", "A Qdrant server listens on port 6333. [1]"),
        ("默认窗口是几句话？", "zh", "默认的窗口是左右各三句话。[2]"),
        ("窗口大小什么时候可以改变？", "zh", "窗口大小可以在查询时改变，不需要重新建立索引。[2]"),
        ("孙悟空被压了多少年？", "zh", "孙悟空大闹天宫之后，被压在五行山下五百年。[2]"),
        ("How many loaves does Anna bake?", "en", "Anna Berg bakes 1,200 loaves of bread every day. [3]"),
        ("When does the bakery open?", "en", "The bakery in Lyon opens at seven o'clock. [3]"),
    ],
)
def test_the_best_sentence(guide: list[Passage], question: str, language: str, expected: str) -> None:
    answer = extract_answer(question, guide, language=language, sentences=1)  # type: ignore[arg-type]
    assert answer.text == expected


def test_sentences_come_in_reading_order_and_are_cited(make_passage: MakePassage) -> None:
    passage = make_passage(1, "The oven holds nine loaves.", "Bread is good.", "A loaf leaves the oven hot.", hits=[2])
    answer = extract_answer("Which loaves leave the oven?", [passage], language="en", sentences=2)
    assert answer.text == "The oven holds nine loaves. [1] A loaf leaves the oven hot. [1]"
    assert [c.text for c in answer.citations] == [passage.sentences[0].text, passage.sentences[2].text]
    assert not any(c.matched for c in answer.citations)
    assert {s.status for s in answer.sentences} == {"cited"}
    assert [answer.text[s.start : s.end] for s in answer.sentences] == [
        "The oven holds nine loaves. [1]",
        "A loaf leaves the oven hot. [1]",
    ]


def test_weak_sentences_are_left_out(guide: list[Passage]) -> None:
    answer = extract_answer(
        "How many loaves of bread does Anna Berg bake every day?", guide, language="en", sentences=5
    )
    assert answer.text == "Anna Berg bakes 1,200 loaves of bread every day. [3]"


def test_a_lead_in_brings_its_next_sentence(make_passage: MakePassage) -> None:
    passage = make_passage(1, "安装步骤如下：", "先创建虚拟环境，再运行 make demo。", "其他内容与此无关。", hits=[0])
    answer = extract_answer("安装步骤是什么？", [passage], language="zh", sentences=2)
    assert answer.text == "安装步骤如下：[1]先创建虚拟环境，再运行 make demo。[1]"


def test_a_question_in_the_text_brings_its_answer(make_passage: MakePassage) -> None:
    passage = make_passage(
        1, "Something else first.", "How do I install the package?", "Run pip and wait.", "Unrelated end.", hits=[1]
    )
    answer = extract_answer("How do I install the package?", [passage], language="en", sentences=2)
    assert "Run pip and wait. [1]" in answer.text


def test_near_duplicates_are_dropped(make_passage: MakePassage) -> None:
    text = "The default window is three sentences on each side of a hit."
    passages = [make_passage(1, text), make_passage(2, text.replace("default", "Default")), make_passage(3, text + " ")]
    answer = extract_answer("What is the default window of a hit?", passages, language="en", sentences=3)
    assert len(answer.citations) == 1


def test_headings_are_skipped(make_passage: MakePassage) -> None:
    passage = make_passage(
        1, "What is the default window", "It is three sentences.", hits=[0], kinds=["heading", "text"]
    )
    answer = extract_answer("What is the default window?", [passage], language="en", sentences=2)
    assert answer.text == "It is three sentences. [1]"


def test_a_passage_of_headings_still_answers(make_passage: MakePassage) -> None:
    passage = make_passage(1, "Chapter one", kinds=["heading"])
    assert extract_answer("Giraffes?", [passage], language="en").text == "Chapter one [1]"


def test_retrieval_scores_break_ties(make_passage: MakePassage) -> None:
    passage = make_passage(1, "Alpha is a letter.", "Omega is a letter.", hits=[0, 1])
    ids = [record.id for record in passage.sentences]
    for best in (0, 1):
        scores = {ids[best]: 9.0, ids[1 - best]: 1.0}
        answer = extract_answer("Which letter?", [passage], language="en", sentences=1, score=scores)
        assert answer.citations[0].sentence_id == ids[best]


def test_foreign_markers_do_not_read_as_ours(make_passage: MakePassage) -> None:
    passage = make_passage(1, "Steam turbines reach 565 degrees.[3][citation needed]")
    answer = extract_answer("How hot are steam turbines?", [passage], language="en")
    assert answer.text == "Steam turbines reach 565 degrees.[citation needed] [1]"
    assert answer.citations[0].text == "Steam turbines reach 565 degrees.[3][citation needed]"


def test_code_stands_on_its_own_lines(make_passage: MakePassage) -> None:
    passage = make_passage(
        1, "Install the package with pip:", "```\npip install ragwright\n```", hits=[0], kinds=["text", "code"]
    )
    answer = extract_answer("How do I install the package?", [passage], language="en", sentences=2)
    assert answer.text == "Install the package with pip: [1]\n```\npip install ragwright\n```\n[1]"


TABLE = """| 设置 | 默认值 | 含义 |
| --- | --- | --- |
| `window` | 3 | 命中句前后各取几句 |
| `top_k` | 50 | 每一路取多少候选 |
| `top_n` | 5 | 进入提示词的段落数 |
| `fusion` | minmax | 两路如何合并 |
| `rrf_k` | 60 | 融合常数 |"""


def test_of_a_table_only_the_matching_rows_are_shown(make_passage: MakePassage) -> None:
    passage = make_passage(1, TABLE, kinds=["table"])
    answer = extract_answer("top_k 的候选默认是多少？", [passage], language="zh")
    rows = answer.text.splitlines()
    assert rows[:2] == TABLE.splitlines()[:2]
    assert "| `top_k` | 50 | 每一路取多少候选 |" in rows
    assert not any("融合常数" in row for row in rows)
    assert rows[-1] == "[1]"
    assert answer.citations[0].text == TABLE


def test_a_small_table_is_shown_whole(make_passage: MakePassage) -> None:
    small = "\n".join(TABLE.splitlines()[:4])
    passage = make_passage(1, "默认值见下表：", small, kinds=["text", "table"])
    answer = extract_answer("默认值是什么？", [passage], language="zh", sentences=2)
    assert answer.text == f"默认值见下表：[1]\n{small}\n[1]"


def test_list_marks_are_not_shown(make_passage: MakePassage) -> None:
    passage = make_passage(1, "2. Start the oven first.", "- Bake the oven bread.", hits=[0, 1])
    answer = extract_answer("How do I start the oven?", [passage], language="en", sentences=1)
    assert answer.text == "Start the oven first. [1]"
    passage = make_passage(1, "3 ovens start.", hits=[0])
    answer = extract_answer("Which 3 ovens start?", [passage], language="en", sentences=1)
    assert answer.text == "3 ovens start. [1]"


@pytest.mark.parametrize(
    ("question", "language", "definition", "mention"),
    [
        ("什么是稀疏向量？", "zh", "稀疏向量是词和权重的列表。", "打开稀疏向量以后，精确的词会找得更准。"),
        (
            "What is a reranker?",
            "en",
            "A reranker is a model that reads pairs.",
            "Turn the reranker off on slow machines.",
        ),
        ("HyDE 是什么意思？", "zh", "HyDE（假设文档）指先写一段假想的答案。", "HyDE 在默认配置里关闭。"),
    ],
)
def test_a_definition_beats_a_mention(
    make_passage: MakePassage, question: str, language: str, definition: str, mention: str
) -> None:
    for texts in ((definition, mention), (mention, definition)):
        passage = make_passage(1, *texts, hits=[0, 1])
        answer = extract_answer(question, [passage], language=language, sentences=1)  # type: ignore[arg-type]
        assert answer.citations[0].text == definition


def test_no_passages_no_answer() -> None:
    assert extract_answer("Anything?", [], language="en").text == ""


VOCABULARY = (
    "edge",
    "engine",
    "window",
    "窗口",
    "引擎",
    "默认",
    "三句",
    "port",
    "6333",
    "the",
    "of",
    "is",
    "？",
    "。",
    ":",
)
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    WORDS, st.lists(st.lists(WORDS.map(" ".join), min_size=1, max_size=4), min_size=1, max_size=3), st.integers(1, 4)
)
def test_never_empty_and_always_verbatim(question: list[str], texts: list[list[str]], limit: int) -> None:
    passages = [
        Passage(n, [SentenceRecord(f"d{n}", i, text or "x") for i, text in enumerate(group)], [], 1.0 / n)
        for n, group in enumerate(texts, start=1)
    ]
    first = extract_answer(" ".join(question), passages, language="zh", sentences=limit)
    again = extract_answer(" ".join(question), passages, language="zh", sentences=limit)
    assert first == again
    assert first.text
    assert 1 <= len(first.citations) <= limit
    known = {record.id: record.text for passage in passages for record in passage.sentences}
    assert all(known[c.sentence_id] == c.text for c in first.citations)
