"""The check measured on made sentences: the aims for numbers and entities hold on documents it was not tuned on."""

from __future__ import annotations

import pytest

from eval.answers.check_clauses import clauses
from eval.answers.check_corpus import facts
from eval.answers.check_set import MUST, labelled, measure_check


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_held_out_documents_reach_the_aims(language: str) -> None:
    scores = measure_check(language, held_out=True)
    rows = {row["class"]: row for row in scores.rows}
    made = 7 * len(facts(language, held_out=True)) + 4 * len(clauses(language, held_out=True))
    assert scores.sentences == made and set(rows) == set(MUST)
    for name in ("wrong number", "wrong entity", "number of another clause"):
        assert rows[name]["precision"] >= 0.95 and rows[name]["recall"] >= 0.9
    assert rows["true"]["recall"] >= 0.95
    assert rows["joined clauses"]["recall"] == 1.0


def test_no_wrong_sentence_is_certified_across_languages_without_an_encoder() -> None:
    scores = measure_check("en", across=True, held_out=True)
    for label in ("wrong number", "negated", "unsupported"):
        assert not {"cited", "matched", "moved"} & set(scores.confusion[label]), label


def test_labels_come_from_rules_and_no_document_is_in_both_parts() -> None:
    for language in ("en", "zh"):
        tuned, held = facts(language), facts(language, held_out=True)
        assert not {fact.text for fact in tuned} & {fact.text for fact in held}
        rows = labelled(language, held_out=True)
        for row, fact in zip(rows[: 7 * len(held) : 7], held, strict=True):
            assert row.text == fact.text and row.label == "true"
        pairs, kept = clauses(language), clauses(language, held_out=True)
        assert not {pair.text for pair in pairs} & {pair.text for pair in kept}
        for pair in (*pairs, *kept):
            assert pair.first_number in pair.first and pair.second_number in pair.second
            assert not set(pair.swapped) & {pair.first, pair.second}
