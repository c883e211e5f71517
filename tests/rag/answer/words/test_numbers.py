"""Numbers compare by value in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.text.numerals import parse_chinese
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
    ],
)
def test_values(text: str, expected: list[str]) -> None:
    assert values(text) == expected


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
