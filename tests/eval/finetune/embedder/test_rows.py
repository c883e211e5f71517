"""Rows for the trainer, the pool of dev, pairs out of documents, and the distillation loss."""

from __future__ import annotations

import math

import pytest

from eval.cli.commands.finetune.output import curve_text, sparkline
from eval.datasets import CorpusPassage, Dataset
from eval.finetune.embedder.rows import columns, dev_pool, document_pairs
from eval.finetune.lessons.training_set import Example, TrainingSet

TEXTS = {name: f"text {name}" for name in "abcdef"}
SET = TrainingSet(
    [
        Example("q1", "one", ("a", "b"), ("c", "d")),
        Example("q2", "two", ("c",)),
        Example("q3", "three", ("e",), ("a",)),
    ],
    TEXTS,
)


def test_every_row_has_as_many_negatives_and_none_is_relevant() -> None:
    rows = columns(SET, negatives=2, seed=7)
    assert rows["question"] == ["one", "one", "two", "three"]
    assert rows["positive"] == ["text a", "text b", "text c", "text e"]
    assert (rows["negative_1"][0], rows["negative_2"][0]) == ("text c", "text d")
    assert rows["negative_1"][3] == "text a"
    for place, forbidden in ((0, "ab"), (1, "ab"), (2, "c"), (3, "e")):
        drawn = {rows["negative_1"][place], rows["negative_2"][place]}
        assert len(drawn) == 2 and not drawn & {f"text {name}" for name in forbidden}
    assert columns(SET, negatives=2, seed=7) == rows


SAME = TrainingSet(
    [
        Example("q1", "When is the library open?", ("a",), ("a again", "b")),
        Example("q2", "when is the LIBRARY open", ("b",)),  # the same question, another answer
        Example("q3", "Opening hours of the library", ("a again",)),
        Example("q4", "Who lends boats?", ("c",)),
    ],
    {
        "a": "It opens at nine on workdays.",
        "a again": "It opens at NINE on workdays!",
        "b": "From nine to five, Monday to Friday.",
        "c": "Boats are lent at the pier.",
        "d": "Skates are lent in winter.",
    },
)


def test_no_negative_answers_the_question_under_another_id() -> None:
    for seed in range(20):
        rows = columns(SAME, negatives=1, seed=seed)
        for question, negative in zip(rows["question"], rows["negative_1"], strict=True):
            if question != "Who lends boats?":
                assert negative == SAME.texts["c"] or (question.startswith("Opening") and negative == SAME.texts["b"])


def test_the_pool_counts_no_answer_as_wrong() -> None:
    pool = dev_pool(SAME, list(SAME.texts), SAME.texts, size=100, seed=1)
    assert pool.qrels["q1"] == pool.qrels["q2"] == {"a": 1, "b": 1} and pool.qrels["q4"] == {"c": 1}
    small = TrainingSet([Example("q4", "Who lends boats?", ("c",), ("c2",))], {**SAME.texts, "c2": SAME.texts["c"]})
    assert set(dev_pool(small, list(small.texts), small.texts, size=100, seed=1).texts) == {*SAME.texts}


def test_labels_are_nan_where_the_teacher_said_nothing() -> None:
    rows = columns(SET, negatives=1, seed=7, scores={"q1": {"a": 0.0, "c": -1.5}})
    assert rows["label"][0] == [0.0, -1.5]
    assert math.isnan(rows["label"][1][0]) and rows["label"][1][1] == -1.5
    assert all(math.isnan(value) for value in rows["label"][2])


def test_the_pool_holds_positives_then_the_hardest_then_drawn_ones() -> None:
    dev = TrainingSet([Example("q1", "one", ("a",), ("b", "c")), Example("q2", "two", ("d",), ("e",))], TEXTS)
    small = dev_pool(dev, list(TEXTS), TEXTS, size=4, seed=1)
    assert set(small.texts) == {"a", "d", "b", "e"}  # first ranks of both before the second rank of one
    full = dev_pool(dev, list(TEXTS), TEXTS, size=100, seed=1)
    assert set(full.texts) == set(TEXTS)
    assert small.qrels == {"q1": {"a": 1}, "q2": {"d": 1}} and "pool of 4" in small.notes[0]


def test_pairs_are_titles_and_texts_or_a_sentence_and_the_rest() -> None:
    long = (
        "The mill by the river stands since long ago. Its wheel was made of oak by the miller. "
        "It turns no more today since the river was led around it."
    )
    corpus = {
        "t": CorpusPassage("t", "How the mill was built", long),
        "s": CorpusPassage("s", "", long.replace("mill", "forge")),
        "x": CorpusPassage("x", "", "Too short."),
        "k": CorpusPassage("k", "What is in the test set?", long),
    }
    dataset = Dataset("made", corpus, {}, {})
    pairs = document_pairs(dataset, limit=10, seed=3, held_out=["what is in the TEST set"])
    found = {example.query: example for example in pairs.examples}
    assert set(found) == {"pair:t", "pair:s"}
    assert found["pair:t"].question == "How the mill was built" and pairs.texts["pair:t"] == long
    asked, rest = found["pair:s"].question, pairs.texts["pair:s"]
    assert asked in corpus["s"].text and asked not in rest and len(rest) < len(long)
    assert len(document_pairs(dataset, limit=1, seed=3).examples) == 1


def test_kl_divergence_is_zero_for_the_teachers_own_ranking_and_skips_what_is_missing() -> None:
    import torch

    from eval.finetune.embedder.losses import kl_divergence

    question = torch.tensor([[1.0, 0.0]])
    texts = [torch.tensor([[math.cos(t), math.sin(t)]]) for t in (0.1, 0.8, 1.3)]
    cosines = torch.tensor([[math.cos(0.1), math.cos(0.8), math.cos(1.3)]])
    assert float(kl_divergence([question, *texts], cosines * 20, scale=20, temperature=1)) == pytest.approx(0, abs=1e-5)
    labels = torch.tensor([[0.0, 1.0, float("nan")]])
    given = torch.log_softmax(cosines[0, :2] * 20, 0)
    wanted = torch.softmax(labels[0, :2] / 0.5, 0)
    by_hand = float((wanted * (wanted.log() - given)).sum())
    rows = [row.clone().requires_grad_() for row in (question, *texts)]
    loss = kl_divergence(rows, labels, scale=20, temperature=0.5)
    assert float(loss.detach()) == pytest.approx(by_hand, rel=1e-5)
    loss.backward()
    assert all(torch.isfinite(row.grad).all() for row in rows)
    assert float(rows[3].grad.abs().sum()) == 0.0  # the text without a score teaches nothing


def test_teacher_scores_come_to_one_scale() -> None:
    from eval.finetune.lessons.teachers import unit_scores

    found = unit_scores({"q1": {"a": 10.0, "b": 6.0}, "q2": {"a": 3.0, "b": 3.0}})
    assert found == {"q1": {"a": 0.0, "b": -4.0}, "q2": {"a": 0.0, "b": 0.0}}  # mean spread: (2 + 0) / 2
    tenfold = unit_scores({"q1": {"a": 100.0, "b": 60.0}, "q2": {"a": 30.0, "b": 30.0}})
    assert tenfold == found


def test_the_curve_is_shown() -> None:
    rows = [
        {"step": 0, "epoch": 0.0, "dev": 0.5},
        {"step": 5, "epoch": 0.5, "loss": 2.0},
        {"step": 10, "epoch": 1.0, "loss": 1.0, "dev": 0.7},
    ]
    text = curve_text(rows)
    assert "loss 2.0000 █▁ 1.0000" in text and "best 0.7000" in text
    assert text.splitlines()[-1].split() == ["10", "1.00", "1.0000", "0.7000", "best"]
    assert sparkline([]) == "" and sparkline([1.0, 1.0]) == "▁▁"
