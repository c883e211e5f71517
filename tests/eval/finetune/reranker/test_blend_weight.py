"""A reranker's share in the order: what it does, and how dev chooses it."""

from __future__ import annotations

import pytest

from eval.finetune.reranker.blend_weight import SHARES, Share, best_share, blended, steady_share, summed_share
from eval.finetune.reranker.rows import CandidateList
from tests.eval.finetune.harbour import candidate_lists as lists


def test_the_share_is_the_best_on_dev() -> None:
    raw = [[0.0, 0.0, 0.5], [-4.0, 4.0]]
    assert blended(lists(), raw, 0.0, "AP") == 0.75
    assert blended(lists(), raw, 1.0, "AP") == 0.75
    found = best_share(lists(), raw, "AP")
    assert found.curve[found.share] == max(found.curve.values())
    assert set(found.curve) == {0.0, *SHARES} and found.share in SHARES


def test_equal_shares_prefer_the_reranker_and_none_is_no_choice() -> None:
    right = [[2.0, 0.0, 0.0], [0.0, 1.0]]
    found = best_share(lists(), right, "AP")
    assert (found.share, found.curve[1.0]) == (1.0, 1.0)


def test_a_scale_keeps_small_differences_small() -> None:
    """Stretched over the list, a hundredth of a logit would overrule the fused score."""
    raw = [[0.0, 0.0, 0.01], [0.0, 0.01]]
    assert blended(lists(), raw, 0.6, "MAP") == 0.75
    assert blended(lists(), raw, 0.6, "MAP", scale=5.0) == blended(lists(), raw, 0.0, "MAP")
    assert blended(lists(), [[0.0, 0.0, 0.0], [0.0, 6.0]], 0.5, "MAP", scale=5.0) == 1.0


def test_a_document_counts_by_its_best_sentence() -> None:
    assert blended(lists()[:1], [[0.0, 3.0, 2.0]], 1.0, "RR@10") == 1.0
    assert blended(lists()[:1], [[0.0, 1.0, 2.0]], 1.0, "RR@10") == 0.5


def test_the_share_of_the_sum_gives_the_order_of_the_sum() -> None:
    """Training adds ``scale`` times the fused scores as they are; in use they are stretched over the list."""
    fused, raw, scale = [0.9, 0.7, 0.55, 0.5], [0.0, 1.4, 3.0, 2.0], 8.0
    one = [CandidateList("1", "one", ["a", "b", "c", "d"], ["a", "b", "c", "d"], fused, {"a": 1})]
    share = summed_share(one)
    assert share == pytest.approx(1 / 1.4)
    summed = [value + scale * first for value, first in zip(raw, fused, strict=True)]
    for relevant in "abcd":
        place = sorted(range(4), key=lambda i: -summed[i]).index("abcd".index(relevant)) + 1
        judged = [CandidateList("1", "one", one[0].names, one[0].texts, fused, {relevant: 1})]
        assert blended(judged, [raw], share, "RR@10", scale) == pytest.approx(1 / place)
    assert summed_share([]) == 0.5


def overruled(right: int, wrong: int, late: int, ties: int) -> tuple[list[CandidateList], list[list[float]]]:
    """Questions of two candidates whose fused scores reach over 0.5. From a share of 0.3 on the raw scores put
    ``right`` of them right that the fused ones have wrong; from 0.5 on they spoil ``wrong`` of the others, and put
    ``late`` more of them right."""
    kinds = [("b", 2.4)] * right + [("a", 1.2)] * wrong + [("b", 1.2)] * late + [("a", -1.0)] * ties
    found = [
        CandidateList(str(number), "?", ["a", "b"], ["a", "b"], [0.75, 0.25], {answer: 1})
        for number, (answer, _) in enumerate(kinds)
    ]
    return found, [[0.0, value] for _, value in kinds]


def test_a_peak_that_chance_explains_is_not_followed() -> None:
    """The sum is at 0.67 here."""
    lists, raw = overruled(right=6, wrong=3, late=2, ties=37)
    best, found = best_share(lists, raw, "MAP", 1.0), steady_share(lists, raw, "MAP", 1.0)
    assert best.share == 0.45 and best.curve == found.curve and best.note == ""
    assert found.share == 0.65 and found.curve[0.0] < found.curve[0.65] < found.curve[0.45]
    assert "0.65, the nearest to that in training (0.67)" in found.note


@pytest.mark.parametrize(
    ("right", "wrong", "late"),
    [
        (20, 15, 4),  # more than one standard error
        (1, 5, 3),  # as good by chance, but below the fused order
    ],
)
def test_a_peak_that_stands_out_is_followed(right: int, wrong: int, late: int) -> None:
    lists, raw = overruled(right, wrong, late, ties=20)
    assert steady_share(lists, raw, "MAP", 1.0) == best_share(lists, raw, "MAP", 1.0)


def test_where_no_share_matters_that_of_the_sum_is_taken() -> None:
    lists, raw = overruled(right=0, wrong=0, late=0, ties=5)
    assert steady_share(lists, raw, "MAP", 1.0).share == 0.65
    assert steady_share(lists[:1], raw[:1], "MAP", 1.0).share == 0.65


def test_a_share_is_kept_as_it_is() -> None:
    share = Share(0.5, {0.0: 0.25, 0.5: 0.5}, "so it is")
    assert Share.load(share.as_dict()) == share and share.shown() == {"0": 0.25, "0.5": 0.5}
    assert Share.load({"weight": 0.5, "scale": None, "curve": {}}) == Share(0.5, {})  # as older runs kept it
