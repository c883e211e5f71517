"""A dataset of sentences: what holds an answer is relevant, its neighbours are judged 0."""

from __future__ import annotations

import pytest

from eval.datasets import CorpusPassage, Dataset, convert, load_dataset
from eval.datasets.answer_sentences import of_sentences
from indexes.errors import SourceError


def lamps() -> Dataset:
    return Dataset(
        "lamps",
        {
            "en": CorpusPassage("en", "Lamps", "The lamp was lit in 1811. It burns oil. Nobody counts 18112 of them."),
            "zh": CorpusPassage("zh", "灯塔", "灯塔建于一九〇三年。它高三十米。守塔人名叫李明。"),
        },
        {"q1": "When was it lit?", "q2": "灯塔有多高？", "q3": "Who wrote of it?", "q4": "Without an answer?"},
        {"q1": {"en": 2, "zh": 0}, "q2": {"zh": 1}, "q3": {"en": 1}, "q4": {"en": 1}},
        {"q1": {"answers": ["1811"]}, "q2": {"answers": [["三十米", "30米"], ["李明"]]}, "q3": {"answers": ["Bell"]}},
    )


def test_sentences_that_hold_an_answer_are_relevant() -> None:
    found = of_sentences(lamps())
    assert found.qrels == {
        "q1": {"en#0-0": 2, "en#1-1": 0, "en#2-2": 0},  # 1811 is not a word of 18112
        "q2": {"zh#0-0": 0, "zh#1-1": 1, "zh#2-2": 1},
    }
    assert found.corpus["zh#1-1"] == CorpusPassage("zh#1-1", "", "它高三十米。")
    assert list(found.queries) == ["q1", "q2"]
    assert found.extra["q1"] == {"answers": ["1811"]}
    assert found.notes == ["2 questions have no sentence with an answer and are left out"]


def test_it_is_a_dataset_like_any_other(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = of_sentences(lamps())
    convert(found, tmp_path / "beir", "beir")
    assert load_dataset(tmp_path / "beir").hash == found.hash


def test_without_documents_or_answers_it_says_so() -> None:
    with pytest.raises(SourceError, match="no documents"):
        of_sentences(Dataset("bare", {}, {"q": "?"}, {"q": {"d": 1}}))
    made = lamps()
    made.extra.clear()
    with pytest.raises(SourceError, match="no question of 'lamps' has an answer"):
        of_sentences(made)
