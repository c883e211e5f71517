"""What sentences are about, and whether a text holds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answer.words.terms import Evidence, asks_how_much, share_held, terms_of


def keys(text: str) -> set[str]:
    return {term.key for term in terms_of(text)}


def share(claim: str, text: str) -> float:
    return share_held(terms_of(claim), [Evidence(text)])


def test_stop_words_and_question_words_are_no_terms() -> None:
    assert keys("What is the port of the server?") == {"port", "server"}
    assert keys("服务器的端口是什么？") == {"服务器", "端口"}


def test_names_and_numbers_weigh_more() -> None:
    weights = {term.key: (term.kind, term.weight) for term in terms_of("The baker Anna sells BGE-M3 for 5 coins")}
    assert weights["anna"] == ("name", 2.0)
    assert weights["bge-m3"] == ("name", 2.0)
    assert weights["5"] == ("number", 2.0)
    assert weights["coin"] == ("word", 1.0)
    assert weights["baker"] == ("word", 1.0)


def test_inflections_hold() -> None:
    assert share("configured windows", "The configuration of a window") == 1.0


def test_joined_words_hold_in_parts() -> None:
    assert share("re-ranking sentence-window", "ranking again: re and sentence, window") == 1.0
    assert share("window", "sentence-window retrieval") == 1.0


def test_chinese_words_hold_however_they_are_cut() -> None:
    assert share("默认窗口", "默认的窗口是三句") == 1.0
    assert share("重新建立索引", "不需要重新建立 索引") == 1.0  # a blank inside running Chinese is not a border
    assert share("猪八戒", "孙悟空") == 0.0


def test_full_width_forms_are_the_same() -> None:
    assert share("ＢＧＥ－Ｍ３", "BGE-M3") == 1.0


def test_numbers_by_value() -> None:
    assert share("3 句", "三句") == 1.0
    assert share("1200 loaves", "1,200 loaves") == 1.0
    assert share("five pages", "5 pages") == 1.0


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("Zoe Nunez waits.", "Zoë Núñez waits."),
        ("Zoë Núñez waits.", "Zoe Nunez waits."),
        ("QX8812", "Order QX-8812 for it."),
        ("QX-8812", "Order QX8812 for it."),
        ("readFile", "call read_file"),
        ("C# and R&D", "They use C# in R&D."),
        ("IT", "Ask the IT desk."),
        ("鼠标和打印机", "無線滑鼠與印表機"),
    ],
)
def test_readings_of_a_word_are_those_of_the_lexical_leg(claim: str, text: str) -> None:
    assert share(claim, text) == 1.0


@pytest.mark.parametrize(("claim", "text"), [("C++", "C# and C"), ("C#", "C and C++"), ("IT", "It is late.")])
def test_what_is_another_thing_is_not_held(claim: str, text: str) -> None:
    assert share(claim, text) == 0.0


@given(st.text(max_size=80))
def test_a_text_holds_all_of_itself(text: str) -> None:
    terms = terms_of(text)
    assert share_held(terms, [Evidence(text)]) == (1.0 if terms else 0.0) or share_held(terms, [Evidence(text)]) > 0.99


@pytest.mark.parametrize("question", ["试用期是几个月？", "试用期有几天？", "試用期有幾個月？"])
def test_how_many_is_a_question_and_no_term(question: str) -> None:
    assert [term.key for term in terms_of(question)] == ["试用期"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How long is the ferry ride?", "The ferry ride takes forty minutes."),
        ("how far is the lighthouse", "The lighthouse stands two kilometres from the pier."),
        ("How often are the lamps cleaned?", "Lamps are cleaned every Monday."),
        ("船程多长？", "船程为四十分钟。"),
        ("灯塔有多高？", "灯塔高三十米。"),
    ],
)
def test_a_measure_that_is_asked_for_is_no_term(question: str, answer: str) -> None:
    assert terms_of(question) and all(Evidence(answer).holds(term) == 1.0 for term in terms_of(question))


def test_a_measure_that_is_not_asked_for_is_a_term() -> None:
    assert "long" in [term.key for term in terms_of("the long pier, and how it was built")]


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("试用期有几天？", True),
        ("码头有多遠", True),
        ("How OFTEN?", True),
        ("许多大学在哪里？", False),
        ("多重因素", False),
    ],
)
def test_a_question_asks_for_a_measure_by_its_words(question: str, asks: bool) -> None:
    assert asks_how_much(question) is asks
