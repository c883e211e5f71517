"""Passages that say the same take one place; a number, a name or a "not" that differs keeps both."""

from __future__ import annotations

import pytest

from indexes.nodes.record import SentenceRecord
from rag.retrieval.candidate import Passage
from rag.retrieval.repeats import distinct_passages
from tests.rag.retrieval.test_diversity import candidates


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The boat comes on Tuesday.", "the  boat comes on TUESDAY!", True),
        ("The boat comes on Tuesday.", "Boat comes on Tuesday", True),
        ("春茶在清明前开始采摘。", "春茶在清明前开始采摘", True),
        ("票价是１２元。", "票价是12元。", True),
        ("Three boats come; the captain doesn't wait.", "3 boats come, the captain does not wait", True),
        ("Guests cannot smoke in the café.", "Guest can't smoke in the cafe.", True),
        ("The fee is 1,200 euros.", "The fee is 1200 euros.", True),
        ("所以員工每年享有十五天年假。", "员工每年享有15天的年假。", True),
        ("The boat comes on Tuesday.", "The boat comes on Thursday.", False),
        ("The boat comes before noon.", "The boat comes after noon.", False),
        ("The employer pays the fee.", "The employee pays the fee.", False),
        ("Guests can smoke in the café.", "Guests can't smoke in the café.", False),
        ("The fee is 1.2 euros.", "The fee is 12 euros.", False),
        ("Smoking is allowed here.", "Smoking is not allowed here.", False),
        ("The notice period is 3 months.", "The notice period is 6 months.", False),
        ("允许在此吸烟。", "不允许在此吸烟。", False),
    ],
)
def test_only_the_same_words_are_a_repeat(one: str, other: str, same: bool) -> None:
    passages = distinct_passages(candidates(one, other, "Something else."), {}, limit=2)
    assert [passage.text for passage in passages] == [one, "Something else." if same else other]
    assert [place["doc_id"] for place in passages[0].more_places] == (["doc1"] if same else [])
    assert [passage.number for passage in passages] == [1, 2]


def test_many_repeats_are_counted_and_a_longer_passage_is_kept() -> None:
    found = candidates("A lamp.", "A lamp.", "The lamp", "a lamp", "Water.")
    longer = [SentenceRecord("doc4", position, text) for position, text in enumerate(["Water.", "A lamp."])]
    passages = distinct_passages(found, {found[4].id: longer}, limit=5)
    assert [passage.text for passage in passages] == ["A lamp.", "Water.A lamp."]
    assert len(passages[0].more_places) == 3
    assert distinct_passages([], {}, limit=3) == []


LINES = [f"Line {number} of the ferry's rules is about {what}." for number, what in enumerate("abcdefg")]


def windows(one: list[str], other: list[str], hit: str) -> list[Passage]:
    """The passages of two documents' windows; ``hit`` is the sentence that was found in both."""
    found = candidates(hit, hit, "Something else.")
    wide = {
        candidate.id: [SentenceRecord(candidate.record.doc_id, position, text) for position, text in enumerate(lines)]
        for candidate, lines in zip(found, (one, other), strict=False)
    }
    for candidate, lines in zip(found, (one, other), strict=False):
        candidate.record = wide[candidate.id][lines.index(hit)]
    return distinct_passages(found, {c.id: wide[f] for c, f in zip(found, wide, strict=False)}, limit=2)


def test_windows_of_a_copy_that_begin_elsewhere_take_one_place() -> None:
    passages = windows(LINES[0:5], LINES[2:7], LINES[3])
    assert [passage.sentences[0].text for passage in passages] == [LINES[0], "Something else."]
    assert [place["doc_id"] for place in passages[0].more_places] == ["doc1"]


@pytest.mark.parametrize(
    "other",
    [
        [*LINES[0:3], "Children travel free.", LINES[4]],  # the found sentence is another
        [LINES[0], "It costs 9 euros.", *LINES[2:5]],  # a sentence within differs
        ["This is about another ferry.", *LINES[1:5]],  # a sentence beside it differs
        [LINES[3], LINES[4], *LINES[5:7], "More.", "And more."],  # most of it is new
    ],
)
def test_one_sentence_that_differs_keeps_both_windows(other: list[str]) -> None:
    hit = LINES[3] if LINES[3] in other else other[3]
    passages = windows(LINES[0:5] if LINES[3] in other else [*LINES[0:3], hit, "X."], other, hit)
    assert [passage.sentences[0].doc_id for passage in passages] == ["doc0", "doc1"]
