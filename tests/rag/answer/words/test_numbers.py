"""Numbers compare by value in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.text.numerals import parse_chinese
from rag.answer.words.counts import miscounted
from rag.answer.words.numbers import numbers_in, parse_english


def values(text: str) -> list[str]:
    return [number.value for number in numbers_in(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port 6333", ["6333"]),
        ("1,200 loaves", ["1200"]),
        ("3.0 and 3.50", ["3", "3.5"]),
        ("version 0.9.1", ["0.9.1"]),
        ("8gb and 2 million", ["8", "2000000"]),
        ("1.5亿人", ["150000000"]),
        ("3万元", ["30000"]),
        ("一千二百", ["1200"]),
        ("五百年", ["500"]),
        ("十五天", ["15"]),
        ("二〇二四年", ["2024"]),
        ("第三章", ["3"]),
        ("两千零一夜", ["2001"]),
        ("三亿五千万", ["350000000"]),
        ("twenty-one pages", ["21"]),
        ("two hundred and five", ["205"]),
        ("three thousand", ["3000"]),
        ("bge-m3 and v2 and sha256", []),
        ("gpt-4", []),
        ("2026-11-21", ["2026-11-21"]),
        ("100%", ["100"]),
        ("万一下雨", []),
        ("one", ["1"]),
        ("007", ["7"]),
        ("a dozen eggs, two dozen cups", ["12", "24"]),
        ("half a dozen", ["6"]),
        ("-5 or −5 or minus five", ["-5", "-5", "-5"]),
        ("保持-5度，零下5度，零下五度，负5", ["-5", "-5", "-5", "-5"]),
        ("5 degrees below zero", ["-5"]),
        ("5-10, 2019-2021, covid-19 and 20%-30%", ["5", "10", "2019", "2021", "20", "30"]),
        ("9 pm, 9 a.m., 21:30, half past nine", ["21:00", "9:00", "21:30", "9:30"]),
        ("晚上九点，上午9点半，21点，中午12点", ["21:00", "9:30", "21:00", "12:00"]),
        ("三点五", ["3.5"]),
        ("8小时 and 3 m", ["8", "3"]),
    ],
)
def test_values(text: str, expected: list[str]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("9 pm", "21:00", True),
        ("9 pm", "晚上九点", True),
        ("half past nine in the evening", "21:30", True),
        ("下午三点一刻", "15:15", True),
        ("noon", "12:00", True),
        ("at 9", "9 pm", True),  # which half of the day is not said
        ("9 o'clock", "21:00", True),
        ("9:30", "9:30 pm", True),
        ("9 pm", "9 am", False),
        ("9:30", "21:30", False),
        ("晚上九点", "早上九点", False),
        ("17:30", "17:00", False),
        ("-5 °C", "零下5度", True),
        ("-5 °C", "5 °C", False),
        ("a loss of 5 million", "-5 million", True),  # the word holds the sign
        ("a profit of 5 million", "-5 million", False),
        ("亏损500万", "-500万", True),
        ("twelve", "a dozen", True),
    ],
)
def test_forms_of_one_value(one: str, other: str, same: bool) -> None:
    (left, *_), (right, *_) = numbers_in(one), numbers_in(other)
    assert left.same(right) == right.same(left) == same


@pytest.mark.parametrize(
    ("claim", "sentence", "wrong"),
    [
        ("The board has five members.", "The board has three members.", ["5"]),
        ("The board has 3 members.", "The board has three members.", []),
        ("The board has two members.", "The board has 3 members.", ["2"]),
        ("It rests on three ideas.", "It rests on thrift, order and work.", []),
        ("Two of the members voted.", "Two of the three members voted.", []),
        ("She wrote two books.", "She wrote two more books, 30 books in all.", []),
        ("委员会有三名成员。", "委员会有两名成员。", ["3"]),
        ("委员会有两名成员。", "委员会有三名成员。", ["2"]),
        ("委员会有两名成员。", "委员会有2名成员。", []),
    ],
)
def test_what_a_number_word_counts(claim: str, sentence: str, wrong: list[str]) -> None:
    assert [number.value for number in miscounted(claim, sentence)] == wrong


@pytest.mark.parametrize("text", ["6333", "第三", "十五天", "三百二十", "五百年"])
def test_strict(text: str) -> None:
    assert all(number.strict for number in numbers_in(text))


@pytest.mark.parametrize("text", ["one of them", "一个", "两种", "三国", "two ways"])
def test_not_strict(text: str) -> None:
    assert not any(number.strict for number in numbers_in(text))


@pytest.mark.parametrize("numeral", ["十百", "万", "亿"])
def test_no_numeral(numeral: str) -> None:
    assert parse_chinese(numeral) is None


def in_chinese(value: int) -> str:
    """Plain Chinese numeral of 1..99,999,999, written independently of the parser."""
    digits = "零一二三四五六七八九"

    def below_myriad(number: int) -> str:
        text, gap = "", False
        for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
            digit, number = divmod(number, unit)
            if digit:
                text += ("零" if gap and text else "") + digits[digit] + name
                gap = False
            else:
                gap = True
        return text

    high, low = divmod(value, 10_000)
    joint = "零" if high and low and low < 1000 else ""
    return (below_myriad(high) + "万" if high else "") + joint + below_myriad(low)


@given(st.integers(1, 99_999_999))
def test_chinese_numerals_are_read_back(value: int) -> None:
    numeral = in_chinese(value)
    assert parse_chinese(numeral) == value or len(numeral) == 1


@given(st.integers(0, 10**9), st.booleans())
def test_digits_are_read_back(value: int, commas: bool) -> None:
    assert values(f"{value:,}" if commas else str(value)) == [str(value)]


def test_english_words() -> None:
    assert parse_english("nineteen") == 19
    assert parse_english("one million two hundred thousand") == 1_200_000
    assert parse_english("seven eight") is None
