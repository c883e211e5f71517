"""Windows become passages: overlapping and adjacent ones merge, numbers follow the scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.nodes.record import SentenceRecord
from rag.retrieval.candidate import Candidate
from rag.retrieval.windows import BATCH, GROWTH, Windows, merge_windows, spread


def sentence(position: int, doc: str = "d", section: int = 0, after: str = " ") -> SentenceRecord:
    return SentenceRecord(doc, position, f"{doc}{position}.", after=after, section=section)


def hit(
    position: int, score: float, width: int = 1, doc: str = "d", last: int = 100
) -> tuple[Candidate, list[SentenceRecord]]:
    low, high = max(0, position - width), min(last, position + width)
    return Candidate(sentence(position, doc), score=score), [sentence(i, doc) for i in range(low, high + 1)]


def merge(
    *pairs: tuple[Candidate, list[SentenceRecord]], limit: int = 5
) -> list[tuple[int, list[int], list[int], float]]:
    windows = {candidate.id: window for candidate, window in pairs}
    places = {candidate.id: candidate.record.position for candidate, _ in pairs}
    passages = merge_windows([candidate for candidate, _ in pairs], windows, limit=limit)
    return [(p.number, [s.position for s in p.sentences], [places[h] for h in p.hits], p.score) for p in passages]


def test_one_candidate() -> None:
    assert merge(hit(5, 0.9)) == [(1, [4, 5, 6], [5], 0.9)]


def test_overlapping_and_adjacent_windows_merge() -> None:
    assert merge(hit(5, 0.9), hit(6, 0.5)) == [(1, [4, 5, 6, 7], [5, 6], 0.9)]
    assert merge(hit(5, 0.9), hit(8, 0.5)) == [(1, [4, 5, 6, 7, 8, 9], [5, 8], 0.9)]
    assert merge(hit(5, 0.9), hit(9, 0.5)) == [(1, [4, 5, 6], [5], 0.9), (2, [8, 9, 10], [9], 0.5)]


def test_a_bridge_joins_three() -> None:
    assert merge(hit(2, 0.9), hit(8, 0.8), hit(5, 0.7)) == [(1, list(range(1, 10)), [2, 8, 5], 0.9)]


def test_documents_and_sections_do_not_mix() -> None:
    assert [m[1] for m in merge(hit(5, 0.9, doc="a"), hit(5, 0.8, doc="b"))] == [[4, 5, 6], [4, 5, 6]]
    one, two = Candidate(sentence(4, section=0), score=0.9), Candidate(sentence(5, section=1), score=0.8)
    windows = {one.id: [sentence(3), sentence(4)], two.id: [sentence(5, section=1), sentence(6, section=1)]}
    passages = merge_windows([one, two], windows, limit=5)
    assert [[s.position for s in p.sentences] for p in passages] == [[3, 4], [5, 6]]


def test_a_candidate_without_a_window_stands_alone() -> None:
    (passage,) = merge_windows([Candidate(sentence(3), score=0.2)], {}, limit=2)
    assert [s.position for s in passage.sentences] == [3]
    assert (passage.number, passage.score, passage.text) == (1, 0.2, "d3.")


def test_a_gap_in_the_window_ends_it() -> None:
    candidate = Candidate(sentence(5), score=1.0)
    window = [sentence(i) for i in (2, 4, 5, 6, 8)]
    (passage,) = merge_windows([candidate], {candidate.id: window}, limit=1)
    assert [s.position for s in passage.sentences] == [4, 5, 6]


def test_limit_and_the_weak_tail() -> None:
    """At the limit a weaker hit inside a passage still counts, but lengthens nothing and opens nothing."""
    got = merge(hit(5, 0.9), hit(50, 0.8), hit(20, 0.7), hit(6, 0.6), hit(8, 0.5), limit=2)
    assert got == [(1, [4, 5, 6], [5, 6], 0.9), (2, [49, 50, 51], [50], 0.8)]


def test_numbers_follow_the_order_that_postprocessors_chose() -> None:
    assert [m[2] for m in merge(hit(5, 0.5), hit(20, 0.9), hit(40, 0.5))] == [[5], [20], [40]]


def test_text_joins_without_stray_blanks_in_chinese() -> None:
    records = [SentenceRecord("d", i, text) for i, text in enumerate(("甲。", "乙。", "丙。"))]
    candidate = Candidate(records[1], score=1.0)
    (passage,) = merge_windows([candidate], {candidate.id: records}, limit=1)
    assert passage.text == "甲。乙。丙。"


def test_limit_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        merge_windows([], {}, limit=0)


def test_nothing() -> None:
    assert merge_windows([], {}, limit=3) == []


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=12, unique=True),
    st.integers(0, 3),
    st.integers(1, 4),
)
def test_laws(places: list[tuple[str, int]], width: int, limit: int) -> None:
    pairs = [hit(position, 1.0 / rank, width, doc, last=30) for rank, (doc, position) in enumerate(places, start=1)]
    candidates = [candidate for candidate, _ in pairs]
    windows = {candidate.id: window for candidate, window in pairs}
    passages = merge_windows(candidates, windows, limit=limit)
    assert passages == merge_windows(candidates, windows, limit=limit)
    assert len(passages) <= limit
    assert [p.number for p in passages] == list(range(1, len(passages) + 1))
    assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)
    seen: set[tuple[str, int]] = set()
    for passage in passages:
        positions = [s.position for s in passage.sentences]
        assert positions == list(range(positions[0], positions[-1] + 1))
        taken = {(s.doc_id, s.position) for s in passage.sentences}
        assert not taken & seen
        seen |= taken
        assert set(passage.hits) <= {s.id for s in passage.sentences}
        assert passage.score == max(c.score for c in candidates if c.id in passage.hits)
    assert all(c.id in {h for p in passages for h in p.hits} for c in candidates[:1])


class Shelf:
    """A store that keeps what windows it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def windows(self, records: list[SentenceRecord], size: int) -> dict[str, list[SentenceRecord]]:
        self.asked.append(len(records))
        return {record.id: [record] for record in records}


def test_windows_are_fetched_as_far_down_as_they_are_read() -> None:
    depth = (1 + GROWTH) * BATCH + 10
    shelf, ranked = Shelf(), [Candidate(sentence(i, f"d{i}"), score=1 - i / 100) for i in range(depth)]
    windows = Windows(shelf, ranked, 3)  # type: ignore[arg-type]
    for candidate in ranked:
        candidate.windows = windows
    assert shelf.asked == []
    passages = merge_windows(ranked, windows, limit=3)
    assert [p.text for p in passages] == ["d00.", "d11.", "d22."] and shelf.asked == [BATCH]
    assert ranked[BATCH].window == f"d{BATCH}{BATCH}." and shelf.asked == [BATCH, GROWTH * BATCH]
    windows.fetch([candidate.id for candidate in ranked])
    assert shelf.asked == [BATCH, GROWTH * BATCH, 10]
    assert len(windows) == len(list(windows)) == len(ranked) and windows.get("unknown") is None
    assert Candidate(sentence(1)).window is None


def test_spread_keeps_the_best_of_each_document() -> None:
    ranked = [Candidate(sentence(i, doc), score=1 - i / 10) for i, doc in enumerate("aababc")]
    assert [c.record.position for c in spread(ranked, 2)] == [0, 1, 2, 4, 5]
    assert spread(ranked, 0) == ranked
