"""Answers that only the question completes: right ones are kept, those of another year are not called checked."""

from __future__ import annotations

import pytest

from indexes.nodes.record import SentenceRecord
from rag.answer.check.support import PassageSupport
from rag.answer.check.verdict import decide, prepare
from rag.answer.words.alignment import renamed
from rag.answer.words.polarity import denies
from rag.retrieval.candidate import Passage


def status(question: str, answer: str, *sentences: str) -> str:
    records = [SentenceRecord("x.md", place, text) for place, text in enumerate(sentences)]
    passage = PassageSupport(Passage(1, records, [], 0.9))
    return decide(prepare(answer, question), (), {1: passage}, threshold=0.5).status


@pytest.mark.parametrize(
    ("question", "answer", "sentences", "expected"),
    [
        # The question denies, as its answer's sentence does.
        ("Why was the ferry not sold?", "its old engine", ["With its old engine the ferry was not sold."], "matched"),
        ("渡轮没有卖出的原因是什么？", "发动机老旧", ["由于发动机老旧，渡轮没有卖出。"], "matched"),
        # The sentence with the value has only the surname.
        (
            "How many boats did Ines Hartog sell?",
            "118",
            ["Among the dealers were Piet Moor and Ines Hartog.", "Moor led in repairs, Hartog in boats (118)."],
            "matched",
        ),
        # A line of its own holds the date.
        (
            "When was Reed Lantern 2 sold?",
            "March 4, 2017",
            ["Reed Lantern 2: day it was sold.", "March 4, 2017"],
            "matched",
        ),
        # The answer repeats a year of which the passage says nothing.
        (
            "How many boats did the harbour sell in the 2015 season?",
            "The harbour sold 24 boats in the 2015 season.",
            ["The harbour sold 24 boats and 308 ropes this season."],
            "unverified",
        ),
        # The value is another year's.
        ("Who won the regatta in 2015?", "Ada Kim", ["In 2013 Ada Kim won the regatta."], "unverified"),
        ("2015年的赛艇冠军是谁？", "金艾达", ["金艾达是2013年的赛艇冠军。"], "unverified"),
        ("Who won the regatta in 2013?", "Ada Kim", ["In 2013 Ada Kim won the regatta."], "matched"),
    ],
)
def test_a_value_is_read_with_the_question(question: str, answer: str, sentences: list[str], expected: str) -> None:
    assert status(question, answer, *sentences) == expected


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("In 2014 the ferry carried 900 people.", "In 2013 the ferry carried 900 people."),  # another year
        ("The ferry carried 700 people.", "The ferry carried 900 people in 2013."),
        ("渡轮在2014年载客900人。", "渡轮在2013年载客900人。"),
    ],
)
def test_another_number_still_contradicts(answer: str, sentence: str) -> None:
    assert status("How many people did the ferry carry in 2014?", answer, sentence) == "contradicted"


def test_the_name_of_a_country_denies_nothing() -> None:
    assert not denies("南非也是这届比赛的举办国")
    assert denies("这是非卖品")


def test_only_a_word_of_its_own_replaces_a_name() -> None:
    theirs = "该赛会由里斯本组委会在里斯本主办，名为里斯本赛会，开幕式由安娜主持。"
    assert renamed("赛会在里斯本主办。", theirs) is None
    assert renamed("赛会在波尔图主办。", "赛会在里斯本主办。") == "波尔图"
