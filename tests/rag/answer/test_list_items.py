"""Records of lists and tables in extractive answers, and the next sentence where a question needs it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from indexes.nodes.record import SentenceRecord
from rag.answer.extractive import extract_answer
from rag.answer.list_items import in_items, with_whole_items
from rag.answer.wanted import needs_more
from rag.retrieval.candidate import Passage

LINES = {
    "en": [
        ["- Vera Lind, gardener.", "Wage: 2,150 euros.", "Begins at six."],
        ["- Otto Brandt, smith.", "Wage: 2,480 euros.", "Begins at seven."],
        ["- Nora Falk, weaver.", "Wage: 2,310 euros.", "Begins at eight."],
    ],
    "zh": [
        ["1. 周小兰，园丁。", "月薪2150元。", "六点上班。"],
        ["2. 许志明，铁匠。", "月薪2480元。", "七点上班。"],
        ["3. 方秀珍，织工。", "月薪2310元。", "八点上班。"],
    ],
}


def staff(language: str) -> list[SentenceRecord]:
    gap = " " if language == "en" else ""
    texts = [(text, "\n" if text is line[-1] else gap) for line in LINES[language] for text in line]
    return [SentenceRecord("staff.md", i, text, after=after) for i, (text, after) in enumerate(texts)]


@pytest.mark.parametrize(
    ("question", "language", "item"),
    [
        ("What is the wage of Otto Brandt?", "en", 1),
        ("When does Nora Falk begin?", "en", 2),
        ("许志明的月薪是多少？", "zh", 1),
        ("方秀珍几点上班？", "zh", 2),
    ],
)
def test_one_whole_record_answers(question: str, language: str, item: int) -> None:
    records = staff(language)
    passage = Passage(1, records, [records[3 * item + 1].id], 1.0)
    answer = extract_answer(question, [passage], language=language)  # type: ignore[arg-type]
    others = [line for place, line in enumerate(LINES[language]) if place != item]
    assert all(text.split(" ", 1)[-1] in answer.text for text in LINES[language][item])
    assert not any(text in answer.text for line in others for text in line[1:])
    assert len(answer.sentences) == 1


def test_a_passage_that_cuts_an_item_gets_the_rest_of_it() -> None:
    records = staff("en")
    cut = Passage(1, records[4:7], [records[4].id], 1.0)

    def windows(asked: Sequence[SentenceRecord], size: int) -> dict[str, list[SentenceRecord]]:
        return {one.id: records[max(0, one.position - size) : one.position + size + 1] for one in asked}

    (whole,) = with_whole_items([cut], windows)
    assert [record.position for record in whole.sentences] == [3, 4, 5, 6, 7, 8]
    assert [len(item) for item in in_items(whole.sentences)] == [3, 3]
    assert with_whole_items([Passage(1, records[3:6], [], 1.0)], windows)[0].sentences == records[3:6]


def test_one_row_of_a_table() -> None:
    rows = [
        SentenceRecord("pay.md", i, f"Name: {name}; Wage: {wage} euros", kind="table")
        for i, (name, wage) in enumerate([("Vera Lind", "2,150"), ("Otto Brandt", "2,480"), ("Nora Falk", "2,310")])
    ]
    passage = Passage(1, rows, [row.id for row in rows], 1.0)
    answer = extract_answer("What wage has Nora Falk?", [passage], language="en")
    assert "2,310" in answer.text and "2,480" not in answer.text and "2,150" not in answer.text


NEXT = [
    ("Who permits trips by rail?", "en", ["Trips by rail are permitted for distances over 300 km.",
                                           "The head of sales signs them.", "Tickets are blue."]),
    ("谁批准火车出差？", "zh", ["火车出差仅限三百公里以上的路程。", "由销售主管批准。", "车票是蓝色的。"]),
    ("How much is the fee for late books?", "en", ["A fee is due for late books.", "It is 40 cents a day.",
                                                   "The desk is on the left."]),
    ("逾期图书收费多少？", "zh", ["逾期图书需要缴纳费用。", "每天四角五分，即0.45元。", "服务台在左边。"]),
    ("How long is the warranty on pumps?", "en", ["Pumps have a warranty.", "It ends after 18 months.",
                                                  "Call the workshop."]),
    ("水泵保修多久？", "zh", ["水泵享受保修。", "期限为18个月。", "请致电车间。"]),
]  # fmt: skip


@pytest.mark.parametrize(("question", "language", "texts"), NEXT)
def test_the_next_sentence_comes_along(question: str, language: str, texts: list[str]) -> None:
    records = [SentenceRecord("rules.md", i, text, after=" ") for i, text in enumerate(texts)]
    passage = Passage(1, records, [records[0].id], 1.0)
    answer = extract_answer(question, [passage], language=language, sentences=1)  # type: ignore[arg-type]
    assert texts[0] in answer.text and texts[1] in answer.text and texts[2] not in answer.text


def test_it_does_not_where_the_first_one_says_it() -> None:
    assert not needs_more("Who signs?", "Anna Berg signs.", "The head of sales reads it.")
    assert not needs_more("How much is it?", "It is 40 cents.", "Or 50 cents.")
    assert not needs_more("Why is it blue?", "It is blue.", "The head of sales likes blue.")
