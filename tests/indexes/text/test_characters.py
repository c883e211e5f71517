"""Characters: which are Chinese, which are one, and what they cost."""

from __future__ import annotations

import re
import unicodedata

import pytest

from indexes.text.characters import (
    CJK,
    HAN,
    HANGUL,
    KANA,
    WITHOUT_BLANKS,
    columns,
    comparable,
    compatible,
    estimate_tokens,
    is_han,
    visible,
    without_gaps,
)


def test_every_ideograph_is_han_and_no_letter_of_another_script() -> None:
    han = re.compile(f"[{HAN}]")
    for code in range(0x33480):
        name = unicodedata.name(chr(code), "")
        if name.startswith(("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH")):
            assert han.match(chr(code)), name
        elif name.startswith(("LATIN", "CYRILLIC", "HIRAGANA", "KATAKANA", "HANGUL", "FULLWIDTH", "HEXAGRAM")):
            assert not han.match(chr(code)), name
    assert is_han("々") and is_han("〇") and is_han("字abc") and not is_han("a字") and not is_han("")


@pytest.mark.parametrize("char", "あカｶ한ᄀ。「、ＡｱㄅㇰⅪ")
def test_scripts_do_not_overlap(char: str) -> None:
    assert sum(bool(re.match(f"[{one}]", char)) for one in (HAN, KANA, HANGUL)) == (char in "あカｶｱ한ᄀㇰ")


def test_what_parts_no_words_and_what_is_set_without_blanks() -> None:
    assert re.fullmatch(f"[{WITHOUT_BLANKS}]+", "⺀漢字かなカナ𠀀")
    assert not re.search(f"[{WITHOUT_BLANKS}]", "ab1 。，한글")
    assert re.fullmatch(f"[{CJK}]+", "汉字，かな。「」Ａㄅ")
    assert not re.search(f"[{CJK}]", "ab1 \u3000한글")


def test_what_nobody_sees_goes() -> None:
    assert visible("down\u00adstream zero\u200bwidth \ufeffmark \u202bright\u202c") == "downstream zerowidth mark right"
    assert visible("می\u200cخواهم 👩\u200d💻") == "می\u200cخواهم 👩\u200d💻", "letters of Persian and of emoji"
    assert visible("plain") == "plain"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ｆｕｌｌ　Ｗｉｄｔｈ", "full width"),
        ("ﬁle №５", "file no5"),
        ("STRASSE", "straße"),
        ("down\u00adstream", "downstream"),
        ("灯塔\u200b看守", "灯塔看守"),
        ("窗口 大小\n是 3", "窗口大小是3"),
        ("RAG 系统", "RAG系统"),
        ("葛\U000e0100城", "葛城"),
        ("⼀⼆", "一二"),
        ("ｶﾞｽ", "ガス"),
    ],
)
def test_what_compares_equal(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(("one", "other"), [("a b", "ab"), ("4", "1942"), ("é", "e"), ("灯塔", "灯"), ("", "a")])
def test_what_does_not(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


def test_the_parts_of_folding() -> None:
    assert compatible("ＡＢ㎏") == "ABkg" and compatible("Ab") == "Ab"
    assert without_gaps("灯 塔\nthe 灯塔") == "灯塔\nthe 灯塔"
    assert columns("ab灯塔。") == 8


def test_estimates_of_tokens() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("灯塔" * 50) == 111
    assert estimate_tokens("灯塔" * 50, cjk=3.0) == 330
    assert estimate_tokens("🙂" * 10) == 44  # its four bytes
    assert estimate_tokens("lighthouse", letters=2.0) > estimate_tokens("lighthouse") == 3
    assert estimate_tokens("\ud800") > 0, "half a pair is counted, not refused"


def test_raised_digits_stay_apart_from_the_number_before_them() -> None:
    assert compatible("10⁶ in 1957.¹ 5 km²") == "10^6 in 1957. 1 5 km2"
