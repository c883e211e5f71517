"""Fusion by hand, and its promises for any input."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.errors import SettingsError
from indexes.store.fusion import NEAR, SCALED, fuse, longness, supported
from indexes.store.search import HybridHit, fused_hits


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


def test_the_first_hits_set_the_scale() -> None:
    dense, sparse = [("a", 0.9), ("b", 0.7), ("z", 0.1)], [("b", 4.0), ("a", 2.0), ("z", 0.0)]
    assert fuse(dense, sparse, scale={"a", "b"})[:2] == fuse(dense[:2], sparse[:2])
    assert dict(fuse(dense, sparse, scale={"a", "b"}))["z"] == pytest.approx(-2.0)
    assert fuse([], [("b", 4.0)], scale={"a"}) == [("b", 0.0)]


def hits(ids: str, scores: list[float], places: dict[str, tuple[str, int]]) -> list[HybridHit]:
    found = []
    for identity, score in zip(ids.split(), scores, strict=True):
        document, position = places.get(identity, (identity, 0))
        found.append(HybridHit(identity, score, {"doc_id": document, "position": position}))
    return found


def fused(dense: list[HybridHit], sparse: list[HybridHit], terms: int, **changes: float) -> list[tuple[str, float]]:
    options: dict = {"dense_weight": 0.7, "sparse_weight": 0.3, "rrf_k": 60, "long_sparse": 0.0, "long_near": 0.0}
    scores = ([(hit.id, hit.score) for hit in dense], [(hit.id, hit.score) for hit in sparse])
    return fused_hits(dense, sparse, scores, terms=terms, **{"method": "minmax", **options, **changes})


def test_more_candidates_reorder_nothing_before_them() -> None:
    rnd, every = random.Random(7), [f"n{number}" for number in range(200)]
    scores = {leg: dict.fromkeys(every, 0.0) | {name: rnd.random() for name in every} for leg in ("dense", "sparse")}
    ranked = {leg: sorted(every, key=lambda name: -scores[leg][name]) for leg in scores}

    def first(limit: int) -> list[str]:
        kept = set(ranked["dense"][:limit]) | set(ranked["sparse"][:limit])
        both = [[(name, scores[leg][name]) for name in kept] for leg in ("dense", "sparse")]
        legs = [[HybridHit(name, scores[leg][name], {}) for name in ranked[leg][:limit]] for leg in scores]
        options: dict = {"method": "minmax", "dense_weight": 0.7, "sparse_weight": 0.3, "rrf_k": 60}
        found = fused_hits(*legs, (both[0], both[1]), terms=3, long_sparse=0.0, long_near=0.0, **options)
        before = set(ranked["dense"][:SCALED]) | set(ranked["sparse"][:SCALED])
        return [name for name, _ in found if name in before]

    assert first(SCALED) == first(100) == first(150)


def test_the_sparse_leg_gains_in_long_questions_only() -> None:
    dense, sparse = hits("a b", [0.9, 0.1], {}), hits("b a", [9.0, 1.0], {})
    for terms, share in ((3, 0.3), (8, 0.3), (16, 0.5), (60, 0.5)):
        assert dict(fused(dense, sparse, terms, long_sparse=0.2)) == pytest.approx({"a": 1 - share, "b": share})
    assert 0 < longness(9) < longness(12) < longness(15) < 1
    for unchanged in ({"sparse_weight": 0.0}, {"dense_weight": 0.0}, {"method": "rrf"}, {"method": "dense"}):
        options: dict = unchanged
        assert fused(dense, sparse, 60, long_sparse=0.2, long_near=0.5, **options) == fused(dense, sparse, 3, **options)


def test_what_stands_together_supports_each_other() -> None:
    places = {"b": ("y", 4), "c": ("y", 4 + NEAR), "d": ("y", 5 + 2 * NEAR)}
    dense, sparse = hits("a b c d", [0.9, 0.8, 0.8, 0.1], places), hits("a", [1.0], places)
    assert next(name for name, _ in fused(dense, sparse, 60)) == "a"
    near = dict(fused(dense, sparse, 60, long_near=1.0))
    assert near["b"] == near["c"] > near["a"] > near["d"] == 0  # d is too far from c
    assert fused(dense, sparse, 8, long_near=1.0) == fused(dense, sparse, 8)
    assert supported([("a", 0.5), ("b", -0.5)], {"a": ("x", 1), "b": ("x", 2)}, 1.0) == [("a", 0.25), ("b", 0.0)]
    assert all(score <= 1 for score in near.values())


def test_one_document_keeps_its_order() -> None:
    rnd = random.Random(3)
    scores = sorted(((f"n{number}", rnd.random()) for number in range(9)), key=lambda row: -row[1])
    places = {name: ("x", number) for number, (name, _) in enumerate(scores)}
    assert [name for name, _ in supported(scores, places, 0.2)] == [name for name, _ in scores]


def test_points_of_other_programs_have_no_neighbours() -> None:
    foreign = [HybridHit("a", 0.9, {"text": "It rains."}), HybridHit("b", 0.8, {})]
    assert [name for name, _ in fused(foreign, foreign[:1], 60, long_near=1.0)] == ["a", "b"]
