"""A number or name that belongs to another clause, or to another column of its row, does not support a claim."""

from __future__ import annotations

import pytest

from rag.answer.check.citations import cite
from tests.rag.answer.conftest import MakePassage

SWAPPED = [
    # a subject of its own in each clause
    ("Plums cost 2 dollars, quinces cost 8 dollars.", "Plums cost 8 dollars.", "numbers"),
    ("Quinces cost 8 dollars, while plums cost 2 dollars.", "Plums cost 8 dollars.", "numbers"),
    ("Plums cost 2 dollars, quinces 8.", "Plums cost 8 dollars.", "numbers"),
    ("Plums cost 2 dollars, quinces 8, and figs 5.", "Figs cost 2 dollars.", "numbers"),
    ("Plums are sold for 2 dollars, big quinces for 8 dollars.", "Plums are sold for 8 dollars.", "numbers"),
    ("The tram takes 20 minutes, the bus 45 minutes.", "The tram takes 45 minutes.", "numbers"),
    ("The small hall seats 70 people and the large hall seats 200 people.", "The small hall seats 200.", "numbers"),
    ("Plums cost 2 dollars, quinces cost 8 dollars.", "Plums cost 8 dollars and quinces cost 2 dollars.", "numbers"),
    # one subject, told apart by what stands behind the number
    ("The museum is open 9 to 17 on weekdays and 10 to 14 on Sundays.", "It is open 10 to 14 on weekdays.", "numbers"),
    ("The card costs 30 euros a month and 280 a year.", "The card costs 280 euros a month.", "numbers"),
    ("The card costs 30 euros a month and 280 a year.", "The card costs 30 euros a year.", "numbers"),
    ("The canal is 4 metres deep and 60 metres wide.", "The canal is 60 metres deep.", "numbers"),
    ("The farm had 40 cows in 2016 and 75 in 2020.", "The farm had 75 cows in 2016.", "numbers"),
    ("In 2016 the farm had 40 cows and in 2020 it had 75 cows.", "In 2016 the farm had 75 cows.", "numbers"),
    # names
    ("Ida Holm runs the kitchen and Max Vogt runs the cellar.", "Max Vogt runs the kitchen.", "names"),
    ("The kitchen is run by Ida Holm and the cellar is run by Max Vogt.", "The kitchen is run by Max Vogt.", "names"),
    ("Letters go to Ida Holm on Mondays and to Max Vogt on Fridays.", "Letters go to Max Vogt on Mondays.", "names"),
    # the same in Chinese
    ("李子每斤2元，木瓜每斤8元。", "李子每斤8元。", "numbers"),
    ("成人票20元，儿童票10元。", "成人票10元。", "numbers"),
    ("这条运河深4米，宽60米。", "这条运河深60米。", "numbers"),
    ("农场2016年有40头牛，2020年有75头牛。", "农场2016年有75头牛。", "numbers"),
    ("坐电车要20分钟，坐公交要45分钟。", "坐电车要45分钟。", "numbers"),
    ("王芳负责厨房，李明负责酒窖。", "李明负责厨房。", "names"),
]


@pytest.mark.parametrize(("text", "answer", "by"), SWAPPED)
def test_the_number_or_name_of_another_clause_contradicts(
    make_passage: MakePassage, text: str, answer: str, by: str
) -> None:
    [found] = cite(f"{answer} [1]", [make_passage(1, text)]).sentences
    assert (found.status, found.decided_by) == ("contradicted", by)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # clauses restated and joined
        ("Plums cost 2 dollars, quinces cost 8 dollars.", "Quinces cost 8 dollars, plums cost 2."),
        ("Plums cost 2 dollars, quinces cost 8 dollars.", "Plums and quinces cost 2 and 8 dollars."),
        ("Plums cost 2 dollars, quinces cost 8 dollars.", "Quinces cost 8 dollars, unlike plums."),
        ("Plums cost 2 dollars, quinces 8.", "They cost 8 dollars."),
        # a subject mentioned once
        ("The card costs 30 euros a month and 280 a year.", "The card costs 280 euros a year."),
        ("The card costs 30 euros a month and 280 a year.", "The card costs 280 euros."),
        ("The card costs 30 euros a month and costs 280 a year.", "The card costs 280 euros a year."),
        ("The room cost 80 euros, now 95 euros.", "The room now costs 95 euros."),
        ("The small card costs 30 euros and the large one costs 45 euros.", "The card costs 45 euros."),
        ("Chapter 3 has 40 pages and 12 figures.", "Chapter 3 has 12 figures."),
        ("The canal is 4 metres deep and 60 metres wide.", "The canal is 60 metres wide and 4 metres deep."),
        ("The farm had 40 cows in 2016, 60 in 2018 and 75 in 2020.", "In 2020 the farm had 75 cows."),
        ("Plums cost 2 dollars at the market and quinces cost 8 dollars.", "Quinces at the market cost 8 dollars."),
        # respective lists
        ("Plums, quinces and figs cost 2, 8 and 5 euros.", "Figs cost 5 euros."),
        ("Plums, quinces and figs cost 2, 8 and 5 euros respectively.", "Quinces cost 8 euros."),
        # names
        ("Ida Holm runs the kitchen and reports to Max Vogt.", "Ida Holm reports to Max Vogt."),
        ("Ida Holm and Max Vogt run the kitchen and the cellar.", "Max Vogt runs the cellar."),
        ("Max Vogt studied law and, like Ida Holm, runs the cellar.", "Max Vogt runs the cellar."),
        ("The dam was planned by Ida Holm and built by Max Vogt.", "The dam was built by Max Vogt."),
        # the same in Chinese
        ("李子每斤2元，木瓜每斤8元。", "木瓜每斤8元，李子每斤2元。"),
        ("门票每月30元，每年280元。", "门票每年280元。"),
        ("门票平日40元，周末60元。", "门票周末60元。"),
        ("水塔建于1891年，1998年重修，高52米。", "水塔高52米。"),
        ("王芳和李明分别负责厨房和酒窖。", "李明负责酒窖。"),
        ("大坝由王芳设计，李明建造。", "大坝由李明建造。"),
    ],
)
def test_a_right_answer_from_joined_clauses_stands(make_passage: MakePassage, text: str, answer: str) -> None:
    assert {one.status for one in cite(f"{answer} [1]", [make_passage(1, text)]).sentences} == {"cited"}


@pytest.mark.parametrize(
    ("text", "question", "right", "wrong"),
    [
        ("Plums cost 2 dollars, quinces cost 8 dollars.", "What do plums cost?", "2 dollars", "8 dollars"),
        ("Plums cost 2 dollars, quinces cost 8 dollars.", "Do quinces cost 8 dollars?", "Yes.", None),
        ("Plums cost 2 dollars, quinces cost 8 dollars.", "Do plums cost 8 dollars?", None, "Yes."),
        ("李子每斤2元，木瓜每斤8元。", "李子每斤多少钱？", "2元", "8元"),
    ],
)
def test_a_bare_value_belongs_to_the_clause_that_is_asked_for(
    make_passage: MakePassage, text: str, question: str, right: str | None, wrong: str | None
) -> None:
    for answer, status in ((right, "cited"), (wrong, "contradicted")):
        if answer is not None:
            [found] = cite(f"{answer} [1]", [make_passage(1, text)], question=question).sentences
            assert found.status == status


STOCK = "| Article | Price | Stock |\n| --- | --- | --- |\n| Valve K5 | 18.40 | 75 |\n| Pipe R1 | 6.10 | 310 |"
SEASONS = "| 水果 | 春季价格 | 秋季价格 |\n| --- | --- | --- |\n| 梨 | 3 | 9 |\n| 枣 | 4 | 8 |"


@pytest.mark.parametrize(
    ("table", "question", "answer", "status"),
    [
        (STOCK, "", "The price of Valve K5 is 75.", "contradicted"),
        (STOCK, "", "The price of Valve K5 is 18.40.", "cited"),
        (STOCK, "", "Of Valve K5 75 are in stock, at a price of 18.40.", "cited"),
        (STOCK, "What is the price of Valve K5?", "75", "contradicted"),
        (STOCK, "How many Valve K5 are in stock?", "75", "cited"),
        (STOCK, "", "Valve K5: 75.", "cited"),  # no column is named
        (SEASONS, "", "梨的春季价格是9元。", "contradicted"),
        (SEASONS, "", "梨的秋季价格是9元。", "cited"),
        (SEASONS, "梨的春季价格是多少？", "9元", "contradicted"),
    ],
)
def test_a_number_belongs_to_its_column(
    make_passage: MakePassage, table: str, question: str, answer: str, status: str
) -> None:
    [found] = cite(f"{answer} [1]", [make_passage(1, table, kinds=["table"])], question=question).sentences
    assert found.status == status


def test_another_sentence_may_say_it(make_passage: MakePassage) -> None:
    swapped, later = "Plums cost 2 dollars, quinces cost 8 dollars.", "From June plums cost 8 dollars."
    assert cite("Plums cost 8 dollars [1].", [make_passage(1, swapped, later)]).sentences[0].status == "cited"
    both = [make_passage(1, swapped), make_passage(2, later)]
    moved = cite("Plums cost 8 dollars [1].", both).sentences[0]
    assert (moved.status, moved.numbers) == ("moved", (2,))
    assert cite("Plums cost 8 dollars [1][2].", both).sentences[0].status == "cited"
