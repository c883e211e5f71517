"""Whether a graph is good enough is decided for searches with a filter and without, each by its own recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from indexes.display import text_in
from indexes.settings.sections import StoreSettings
from indexes.store.engine import Hit, Leg
from indexes.store.graph import measure
from indexes.store.models.graph import Found, Graph, Wanted, choose
from indexes.store.upkeep.graph import outdated, wanted_graph

GOOD, POOR = (0.99, 1.0), (0.15, 0.3)


def graph(recalls: tuple[float, ...], filtered: tuple[float, ...] | None, points: int = 300_000) -> Graph:
    shares: Sequence[float | None] = filtered or [None] * len(recalls)
    pairs = enumerate(zip(recalls, shares, strict=True))
    found = [Found(64 * 2**at, one, two, 0.9, 2.0 + at) for at, (one, two) in pairs]
    return Graph(points, 32, 200, 60, 40.0, tuple(found))


@pytest.mark.parametrize(
    ("recalls", "filtered", "ef", "filtered_ef", "poor"),
    [
        (GOOD, GOOD, 64, 64, None),
        (GOOD, (0.9, 0.98), 64, 128, None),
        (GOOD, None, 64, 64, None),  # with one document, no filter selects a tenth
        (GOOD, POOR, 64, None, "search with a filter stays exact"),
        (POOR, GOOD, None, 64, "search without a filter stays exact"),
        (POOR, POOR, None, None, "search stays exact"),
        (POOR, None, None, None, "search stays exact"),
    ],
)
def test_each_kind_of_search_has_its_bar(
    recalls: tuple[float, ...],
    filtered: tuple[float, ...] | None,
    ef: int | None,
    filtered_ef: int | None,
    poor: str | None,
) -> None:
    made = graph(recalls, filtered)
    for wanted, choice in (
        (ef, choose(made, None, 0.98)),
        (filtered_ef, choose(made, None, 0.98, filtered=True)),
    ):
        assert (choice.ef, choice.exact, choice.note is None) == (wanted, wanted is None, wanted is not None)
    assert made.poor(0.98) == poor
    end = "" if poor is None else f"; too few (retrieval.recall 0.98), so {poor}"
    assert made.shown().endswith(end) and ("too few" in made.shown()) == bool(poor)
    assert ("with a filter" in made.shown().removesuffix(end)) == (filtered is not None)


def test_a_graph_is_described_with_the_candidates_of_either_search() -> None:
    assert graph(GOOD, (0.9, 0.98)).shown() == (
        "over 300,000 sentences (m 32, ef_construct 200): with ef 64 it finds 0.990 of the 10 nearest, in 2.0 ms "
        "instead of 40.0, and with a filter and ef 128 0.980"
    )


def test_the_note_names_the_filter_in_both_languages() -> None:
    note = choose(graph(GOOD, POOR), None, 0.98, filtered=True).note
    assert note is not None
    assert note.startswith("the dense leg was searched exactly among the sentences that the filter selects")
    assert "finds 0.300 of the 10 nearest with a filter and ef 128" in note
    assert "在过滤条件下在 ef 128 下只能找到" in text_in(note, "zh")


def test_records_of_earlier_versions_open() -> None:
    """Their measurements end at ef 512."""
    found = [{"ef": 64, "recall": 0.99, "filtered": 0.15, "recall_50": 0.9, "ms": 1.5}]
    rest = {"points": 9, "m": 16, "ef_construct": 100, "asked": 60, "exact_ms": 160.0, "built": 1764000000}
    read = Graph.of_record({"graph": {**rest, "found": found}})
    assert read is not None and read.at(None, 0.98).ef == 64
    assert choose(read, None, 0.98, filtered=True).exact and not choose(read, None, 0.98).exact


def test_a_large_collection_gets_more_links_unless_the_settings_name_a_number() -> None:
    settings = StoreSettings()
    assert wanted_graph(settings, 199_999) == Wanted(16, 100)
    assert wanted_graph(settings, 200_000) == Wanted(32, 200)
    assert wanted_graph(StoreSettings(hnsw_m=48), 1_000_000) == Wanted(48, 200)
    small = Graph(190_000, 16, 100, 60, 25.0, (Found(64, 1.0, 1.0, 1.0, 1.2),))
    assert not outdated(small, settings, 230_000)  # good for the size that it was built for
    assert outdated(small, settings, 240_000)
    assert outdated(Graph(1_000_000, 16, 100, 60, 165.0, small.found), settings, 1_000_000)  # of an earlier version


@pytest.mark.parametrize(("slow", "efs"), [(0.001, [64, 512, 768]), (0.02, [64, 512])])
def test_many_candidates_are_tried_only_while_the_graph_is_much_faster(slow: float, efs: list[int]) -> None:
    """The searches are a stand-in, since their times decide."""
    now = [0.0]

    def ask(legs: Sequence[Leg]) -> list[list[Hit]]:
        now[0] += 0.03 if legs[0].exact else slow
        return [[Hit("b", 0.9), Hit("a", 0.8)] for _ in legs]

    rows: list[tuple[str, Any]] = [("a", np.ones(2)), ("b", np.ones(2))]
    counts = [(f"d{number}", 1) for number in range(20)]
    made = measure.measure(
        ask, rows, name="dense", wanted=Wanted(), points=20, counts=counts, efs=(64, 512, 768), clock=lambda: now[0]
    )
    assert [one.ef for one in made.found] == efs
    assert made.found[0].filtered == 1.0


def test_the_lowest_recall_of_all_filters_counts() -> None:
    """A filter that selects a third loses one of two neighbours here, one that selects a tenth none."""

    def ask(legs: Sequence[Leg]) -> list[list[Hit]]:
        only = legs[0].filters
        lost = only is not None and not legs[0].exact and len(only.must[0].match.any) > 10
        return [[Hit("x", 0.9)] if lost else [Hit("x", 0.9), Hit("y", 0.8)] for _ in legs]

    counts = [(f"d{number}", 1) for number in range(60)]
    rows: list[tuple[str, Any]] = [("a", np.ones(2)), ("b", np.ones(2))]
    made = measure.measure(ask, rows, name="dense", wanted=Wanted(), points=60, counts=counts, efs=(64,))
    assert (made.found[0].recall, made.found[0].filtered) == (1.0, 0.5)
    assert measure.selecting([("one", 100)], 0.1) is None
    assert measure.selecting([], 1 / 3) is None
