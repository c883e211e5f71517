"""Lists for a reranker: what rows they become, and what questions documents give."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval import load_dataset
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.finetune.reranker.rows import (
    best_scale,
    load_lists,
    save_lists,
    training_rows,
)
from eval.finetune.reranker.warm_up import document_questions
from indexes.errors import SourceError
from tests.eval.finetune.harbour import candidate_lists, write_harbour

TEXTS = {"p1": "long enough", "p2": "short", "n1": "a", "n2": "bb", "n3": "ccc", "n4": "dddd"}
TRAINING = TrainingSet(
    [Example("q", "question", ("p1", "p2"), ("n1", "n2", "n3", "n4")), Example("r", "other", ("p2",), ())], TEXTS
)


def rows(loss: Any, **changes: Any) -> dict[str, list[Any]]:
    return training_rows(TRAINING, loss, **{"negatives": 2, "epochs": 4, "seed": 7, **changes})


def test_lists_take_turns_with_positives_and_draw_negatives() -> None:
    found = rows("lambda")
    assert found["question"] == ["question"] * 4  # the other question has no negative
    for epoch, (texts, labels) in enumerate(zip(found["texts"], found["label"], strict=True)):
        assert texts == sorted(texts, key=len) and len(texts) == 3
        positive = TEXTS["p1" if epoch % 2 == 0 else "p2"]
        assert [label for text, label in zip(texts, labels, strict=True) if text == positive] == [1.0]
        assert sum(labels) == 1.0
    assert len({tuple(texts) for texts in found["texts"]}) > 2
    assert rows("lambda") == found and rows("lambda", seed=8) != found


def test_listnet_has_sharp_labels_and_bce_pairs() -> None:
    assert {value for labels in rows("listnet")["label"] for value in labels} == {0.0, 10.0}
    pairs = rows("bce")
    assert set(pairs) == {"question", "text", "label"} and len(pairs["text"]) == 12
    assert Counter(pairs["label"]) == {1.0: 4, 0.0: 8}


def test_a_teachers_scores_are_the_labels_and_the_unscored_is_left_out() -> None:
    scores = {"q": {"p1": 0.0, "n1": -1.0, "n2": -2.0}}
    found = rows("margin_mse", scores=scores, bonus=0.5, negatives=3)
    assert list(found) == ["question", "positive", "negative_1", "negative_2", "negative_3", "label"]
    for place in range(4):
        assert found["positive"][place] == "long enough"  # p2 has no score
        names = [found[f"negative_{i}"][place] for i in (1, 2, 3)]
        assert set(names) == {"a", "bb"}  # two were scored: one of them stands twice, for rows of one length
        assert found["label"][place] == [0.5, *(-1.0 if name == "a" else -2.0 for name in names)]
    assert all(0 < value < 1 for value in rows("bce", scores=scores)["label"])


def test_a_teachers_scores_are_brought_to_logits_for_listnet_only() -> None:
    scores = {"q": {"p1": 0.0, "n1": -1.0, "n2": -2.0}}
    found = rows("listnet", scores=scores, bonus=0.5, sharpness=4.0, first={"q": {"p1": 9.0, "n1": 8.0, "n2": 7.0}})
    wanted = {"long enough": [2.0, 9.0], "a": [-4.0, 8.0], "bb": [-8.0, 7.0]}
    for texts, labels in zip(found["texts"], found["label"], strict=True):
        assert [list(pair) for pair in zip(labels[:3], labels[3:], strict=True)] == [wanted[text] for text in texts]
    assert rows("margin_mse", scores=scores, sharpness=4.0) == rows("margin_mse", scores=scores)


def test_what_answers_a_question_of_this_wording_is_no_negative() -> None:
    texts = {"p": "the tide table", "p2": "The Tide Table.", "q": "the harbour clock", "n": "a rope"}
    examples = [
        Example("1", "What tells the time?", ("p",), ("p2", "q", "n")),
        Example("2", "what tells the time", ("q",), ("p", "n")),
    ]
    found = training_rows(TrainingSet(examples, texts), "lambda", negatives=3, epochs=2, seed=7)
    for listed, labels in zip(found["texts"], found["label"], strict=True):
        assert [text for text, label in zip(listed, labels, strict=True) if not label] == ["a rope"]


def test_what_the_first_stage_adds_stands_behind_the_labels() -> None:
    first = {"q": {"p1": 4.0, "p2": 3.0, "n1": 1.0, "n2": 2.0, "n3": 0.5, "n4": 0.0}}
    by_text = {TEXTS[name]: value for name, value in first["q"].items()}
    found = rows("listnet", first=first)
    for texts, labels in zip(found["texts"], found["label"], strict=True):
        assert len(labels) == 2 * len(texts)
        assert labels[len(texts) :] == [by_text[text] for text in texts]


def test_the_residual_loss_is_that_of_the_sum() -> None:
    """Logits of 0 with summands cost what logits equal to the summands cost without."""
    import torch
    from sentence_transformers.cross_encoder.losses import ListNetLoss

    from eval.finetune.reranker.losses import Residual

    class Fixed:
        num_labels, device = 1, torch.device("cpu")

        def __init__(self, logits: list[float]) -> None:
            self.logits = torch.tensor(logits, requires_grad=True)

        def preprocess(self, pairs: Any, **_: Any) -> dict[str, Any]:
            return {}

        def __call__(self, tokens: Any) -> dict[str, Any]:
            return {"scores": self.logits}

    inputs = [["a", "b"], [["x", "y"], ["x", "y", "z"]]]
    labels = [torch.tensor([10.0, 0.0]), torch.tensor([0.0, 10.0, 0.0])]
    added = [torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.0, -1.0])]
    summed: Any = Fixed([1.0, 2.0, 0.5, 0.0, -1.0])
    flat: Any = Fixed([0.0] * 5)
    wanted = ListNetLoss(summed, mini_batch_size=-1)(inputs, labels)
    found = Residual(ListNetLoss(flat, mini_batch_size=-1))(
        inputs, [torch.cat(both) for both in zip(labels, added, strict=True)]
    )
    assert found.item() == pytest.approx(wanted.item()) and found.item() > 0.5
    found.backward()
    assert flat.logits.grad.abs().sum() > 0


def test_the_best_scale_is_the_likeliest() -> None:
    """Fused scores that tell positives well deserve to count much, those that tell nothing hardly."""
    sure = {"q": {"p1": 1.0, "p2": 0.9, "n1": 0.3, "n2": 0.2, "n3": 0.1, "n4": 0.0}}
    vague = {"q": {"p1": 0.5, "p2": 0.1, "n1": 0.6, "n2": 0.4, "n3": 0.3, "n4": 0.2}}
    assert best_scale(TRAINING, sure) == 20.0 > best_scale(TRAINING, vague)
    assert best_scale(TRAINING, {}) == 1.0


def test_nothing_to_train_on_is_told() -> None:
    with pytest.raises(SourceError, match="both a positive and a negative"):
        rows("listnet", scores={"q": {"n1": 1.0}})


def test_lists_are_kept_as_they_are(tmp_path: Path) -> None:
    lists = candidate_lists()
    save_lists(lists, tmp_path / "dev.jsonl")
    assert load_lists(tmp_path / "dev.jsonl") == lists


def test_questions_of_documents_are_words_of_theirs_and_none_of_the_test(tmp_path: Path) -> None:
    dataset = load_dataset(write_harbour(tmp_path / "harbour"), "train")
    held_out = ["Harbour note on the Alcon"]
    found = document_questions(dataset, limit=150, seed=7, held_out=held_out)
    assert len(found) == 150
    for name, (question, source) in found.items():
        passage = dataset.corpus[name.rpartition(":")[2]]
        assert question in source and source in f"{passage.title} {passage.text}"
        assert question not in held_out
    assert found == document_questions(dataset, limit=150, seed=7, held_out=held_out)
    assert len({question for question, _ in found.values()}) > 75
