"""What a tuned reranker is compared with."""

from __future__ import annotations

from eval.datasets import Dataset
from eval.finetune.proof.forgetting import run_key
from eval.finetune.reranker.pipeline import against_none, opponent
from eval.measure.runs import Run

QUERIES = [f"q{i}" for i in range(8)]
TEST = Dataset("made", {}, {q: q for q in QUERIES}, {q: {"right": 1} for q in QUERIES})


def ranked(*order: str) -> dict[str, Run]:
    return {run_key(TEST): Run("r", {q: [(d, -float(i)) for i, d in enumerate(order)] for q in QUERIES})}


def test_the_better_of_the_base_and_none_is_the_opponent() -> None:
    second, third = ranked("x", "right"), ranked("x", "y", "right")
    assert opponent(third, second, TEST) == (second, "with the base model as reranker")
    assert opponent(second, third, TEST) == (second, "without a reranker")
    assert opponent(third, None, TEST) == (third, "without a reranker")


def test_the_gain_over_no_reranker_is_said_with_its_p_value() -> None:
    said = against_none(ranked("x", "right"), ranked("right", "x"), TEST)
    # All eight signs alike: 2 of the 2^8 ways to draw them.
    assert said == "against the pipeline without a reranker: MAP 0.5000 -> 1.0000 (p = 0.0078)"
