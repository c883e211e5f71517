"""Fusion by hand, and its promises for any input."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.errors import SettingsError
from indexes.store.fusion import fuse


def rounded(ranking: list[tuple[str, float]]) -> list[tuple[str, float]]:
    return [(key, round(score, 9)) for key, score in ranking]


def test_minmax_by_hand() -> None:
    dense = [("a", 0.9), ("b", 0.7), ("c", 0.5)]  # -> 1, 0.5, 0
    sparse = [("c", 12.0), ("d", 6.0), ("b", 4.0)]  # -> 1, 0.25, 0
    assert rounded(fuse(dense, sparse)) == [("a", 0.5), ("c", 0.5), ("b", 0.25), ("d", 0.125)]
    weighted = fuse(dense, sparse, dense_weight=3, sparse_weight=1)
    assert rounded(weighted) == [("a", 0.75), ("b", 0.375), ("c", 0.25), ("d", 0.0625)]
    assert rounded(fuse(dense, sparse, dense_weight=0.3, sparse_weight=0.1)) == rounded(weighted)


def test_rrf_by_hand() -> None:
    fused = dict(fuse([("a", 9.0), ("b", 8.0)], [("b", 0.2), ("c", 0.1)], method="rrf", rrf_k=60))
    assert fused["b"] == pytest.approx(0.5 * (61 / 62) + 0.5)
    assert fused["a"] == pytest.approx(0.5)
    assert fused["c"] == pytest.approx(0.5 * 61 / 62)
    steep = dict(fuse([("a", 9.0), ("b", 8.0)], [], method="rrf", rrf_k=1))
    assert steep["b"] == pytest.approx(0.5 * 2 / 3)


def test_single_legs_keep_their_scores() -> None:
    dense, sparse = [("b", 0.5), ("a", 0.5)], [("z", 3.0)]
    assert fuse(dense, sparse, method="dense") == [("a", 0.5), ("b", 0.5)]
    assert fuse(dense, sparse, method="sparse") == [("z", 3.0)]


def test_lone_and_equal_and_negative_scores() -> None:
    assert fuse([("a", 0.01)], []) == [("a", 0.5)]  # a lone hit normalises to 1, weight one half
    assert fuse([("a", -3.0), ("b", -3.0)], []) == [("a", 0.5), ("b", 0.5)]
    assert fuse([("a", -1.0), ("b", -3.0)], [], sparse_weight=0) == [("a", 1.0), ("b", 0.0)]
    assert fuse([("a", 1e308), ("b", -1e308), ("c", 0.0)], [], sparse_weight=0)[1] == ("c", 0.5)
    assert fuse([], []) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "sum"}, "unknown fusion method 'sum'"),
        ({"dense_weight": -1}, "weights dense -1"),
        ({"dense_weight": 0, "sparse_weight": 0}, "not both 0"),
        ({"dense_weight": float("nan")}, "weights"),
        ({"dense_weight": float("inf")}, "weights"),
        ({"method": "rrf", "rrf_k": 0}, "rrf_k is 0"),
    ],
)
def test_unusable_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        fuse([("a", 1.0)], [("b", 1.0)], **options)


legs = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.floats(-1e6, 1e6), max_size=12).map(
    lambda scores: sorted(scores.items(), key=lambda item: -item[1])
)
weights = st.floats(0.0, 100.0)


@given(legs, legs, st.sampled_from(["minmax", "rrf"]), weights, weights, st.integers(1, 200), st.randoms())
def test_promises(dense: list, sparse: list, method, wd: float, ws: float, k: int, rnd: random.Random) -> None:
    if wd + ws == 0:
        wd = 1.0
    options = {"method": method, "dense_weight": wd, "sparse_weight": ws, "rrf_k": k}
    fused = fuse(dense, sparse, **options)
    assert {key for key, _ in fused} == {key for key, _ in dense} | {key for key, _ in sparse}
    assert all(-1e-12 <= score <= 1 + 1e-12 for _, score in fused)
    assert fused == sorted(fused, key=lambda item: (-item[1], item[0]))
    rnd.shuffle(dense)
    rnd.shuffle(sparse)
    assert fuse(dense, sparse, **options) == fused, "the order of the input decides nothing"
    swapped = fuse(sparse, dense, method=method, dense_weight=ws, sparse_weight=wd, rrf_k=k)
    assert dict(swapped) == pytest.approx(dict(fused))


@given(legs.filter(bool), weights.filter(lambda w: w > 0))
def test_the_best_of_both_legs_gets_one(dense: list, weight: float) -> None:
    for method in ("minmax", "rrf"):
        fused = fuse(dense, dense, method=method, dense_weight=weight)
        assert fused[0][1] == pytest.approx(1.0)
        assert [key for key, _ in fused] == [key for key, _ in fuse(dense, [], method=method)]
