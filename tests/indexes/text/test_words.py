"""Readings of a word: what people write and what they look for meet, and what is another thing does not."""

from __future__ import annotations

import pytest

from indexes.encoders.bm25 import Bm25
from indexes.text.words import counted, parts_of, prepared, readings


@pytest.fixture(scope="module")
def bm25() -> Bm25:
    return Bm25()


@pytest.mark.parametrize(
    ("one", "other", "term"),
    [
        ("3,480,000 tonnes", "3480000", "3480000"),
        ("3 480 000 tonnes", "3480000", "3480000"),
        ("3\u00a0480\u202f000 tonnes", "3480000", "3480000"),
        ("3'480'000 Franken", "3480000", "3480000"),
        ("3.480.000 Tonnen", "3480000", "3480000"),
        ("34,80,000 rupees", "3480000", "3480000"),
        ("348万吨", "3480000吨", "3480000"),
        ("3.48 million tonnes", "3480000", "3480000"),
        ("７，２００", "7200", "7200"),
        ("三百六十五天", "365 天", "365"),
        ("一九九八年", "1998年", "1998"),
        ("第五条", "第5条", "5"),
        ("17 March 2021", "2021年3月17日", "2021-03-17"),
        ("March 17, 2021", "2021/3/17", "2021-03-17"),
        ("17th of March, 2021", "2021-03-17", "2021-03-17"),
        ("Mar 2021", "2021年3月", "2021-03"),
        ("QX-8812", "QX8812", "qx8812"),
        ("QX/8812", "qx-8812", "qx8812"),
        ("QX 8812", "QX8812", "8812"),
        ("v3.14", "3.14", "3.14"),
        ("10.0.0.7", "host 10.0.0.7", "10.0.0.7"),
        ("0171-555-0199", "01715550199", "01715550199"),
        ("part 00731", "part 731", "731"),
        ("25mm", "25 mm", "mm"),
        ("co-op", "coop", "coop"),
        ("read_file", "readFile", "readfil"),
        ("readFile", "read file", "file"),
        ("R&D", "rd", "rd"),
        ("crème brûlée", "creme", "creme"),
        ("Größe", "groesse", "groess"),
        ("Größe", "GROSSE", "gross"),
        ("Øresund", "Oresund", "oresund"),
        ("İzmir", "izmir", "izmir"),
        ("Diyarbakır", "diyarbakir", "diyarbakir"),
        ("ёлка", "елка", "елка"),
        ("O’Brien", "obrien", "obrien"),
        ("sub\u00admarine", "submarine", "submarin"),
        ("sub\u200bmarine", "submarine", "submarin"),
        ("電腦", "电脑", "电脑"),
        ("無線滑鼠", "鼠标", "鼠标"),
        ("圖書館", "图书馆", "图书馆"),
        ("消防法规", "消防", "消防"),
        ("博物馆", "博物", "博物"),
        ("大学图书馆", "图书", "图书"),
        ("㎜", "mm", "mm"),
        ("Kosten: 380.000 Euro", "380000", "380000"),
        ("3.480.000,75 EUR", "3480000.75", "3480000.75"),
        ("380 000 €", "380000", "380000"),
        ("Rs.3,480,000", "3480000", "3480000"),
        ("€3.48m", "3480000", "3480000"),
        ("3,48 Millionen", "3480000", "3480000"),
        ("34.8 lakh", "3480000", "3480000"),
        ("叁佰肆拾捌萬元整", "348万元", "3480000"),
        ("٣٤٨", "348", "348"),
        ("482.915.07", "48291507", "48291507"),
        ("卅五天", "35 天", "35"),
        ("一九九八年三月七日", "1998-03-07", "1998-03-07"),
        ("十二月三日", "12月3日", "12"),
        ("7. März 2021", "2021-03-07", "2021-03-07"),
        ("7 de marzo de 2021", "March 7, 2021", "2021-03-07"),
        ("07.03.2021", "2021年3月7日", "2021-03-07"),
        ("用C++写的", "c++", "c++"),
        ("F#语言", "F♯", "f#"),
        ("C/C++", "C++", "c++"),
        ("VB.NET", ".NET", ".net"),
        ("blood group A", "group A", "A"),
        ("l’hôpital", "hopital", "hopit"),
        ("Đurić", "Djuric", "djuric"),
        ("مُعَلِّم", "معلم", "معلم"),
        ("أسعار", "اسعار", "اسعار"),
        ("पुस्तकालय में", "पुस्तकालय", "पुस्तकालय"),
    ],
)
def test_two_ways_of_writing_meet(bm25: Bm25, one: str, other: str, term: str) -> None:
    assert term in set(bm25.terms(one)) & set(bm25.terms(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C++", "C#"), ("C++", "C"), ("F#", "F"), ("1,480", "1,840"), ("10.0.0.71", "10.0.0.7 and 1"),
        ("IT", "it"), ("WHO", "who"), ("2021-03-17", "2022年4月18日"), ("1/2", "12"), ("3.14", "314"),
        ("万一", "10001"), ("一样", "1"), ("三四个", "34"), ("收拾", "10"), ("用C++写", "用C写"), ("5 m", "5000000"),
        ("group A", "a group"), ("पुस्तक", "पत्र"),
    ],
)  # fmt: skip
def test_what_is_another_thing_does_not(bm25: Bm25, one: str, other: str) -> None:
    shared = set(bm25.terms(one)) & set(bm25.terms(other))
    assert not shared - {"10", "0", "7", "1", "5", "用", "写", "m", "group"}


def test_capitals_mean_something_where_not_all_are(bm25: Bm25) -> None:
    assert bm25.terms("the IT team") == ["IT", "team"]
    assert bm25.terms("IT部门") == ["IT", "部门"]
    assert bm25.terms("THE TEAM AND THE DEPARTMENT OF IT") == ["team", "depart"]


def test_what_a_text_says_itself_counts_more(bm25: Bm25) -> None:
    [vector] = bm25.encode_documents(["café"])
    assert sorted(vector.values.tolist()) == [0.5, 1.0]
    own = {term for term, first in readings("QX-8812", str.lower) if first}
    assert own == {"qx", "8812", "qx8812"}


def test_texts_as_words_are_cut_from_them() -> None:
    assert prepared("Ｕ.Ｓ. sales").text == "US sales"
    assert prepared("一二三四五").text == "12345" and prepared("千万别忘").text == "千万别忘"
    assert prepared("無線滑鼠").mainland == "无线鼠标" and prepared("鼠标").mainland is None
    assert prepared("13/45/2021 and 99.13.2021").terms == []
    assert counted("七层") == ["7", "层"] and counted("一定") == counted("四方") == []
    # 据库 is a word of many dictionaries.
    assert parts_of("数据库", {"数据", "据库"}.__contains__) == ["数据"]
    assert parts_of("副总经理", {"副总", "总经理", "经理"}.__contains__) == ["副总", "总经理", "经理"]


def test_a_web_address_is_no_word_of_its_own(bm25: Bm25) -> None:
    terms = bm25.terms("www.example.org/a/very/long/path/that/nobody/types/as/one")
    assert max(map(len, terms)) < 10 and "path" in terms
