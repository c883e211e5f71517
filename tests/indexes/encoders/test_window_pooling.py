"""Window pooling: each sentence sees its neighbours, never another section's or document's."""

from __future__ import annotations

import gc
import itertools
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.encoders.base import Encoded, SparseVector
from indexes.encoders.bge_m3 import LearnedLexical
from indexes.encoders.bm25 import Bm25
from indexes.encoders.window_pooling import ReadyPoint, WindowPooler
from indexes.nodes.record import SentenceRecord


class Union:
    """A lexical side whose pooled vector is the set of the window's terms: shows which sentences were seen."""

    name = "learned"
    idf = False
    neighbours = 1.0

    def pool(self, window: Sequence[SparseVector], weights: Sequence[float] | None = None) -> SparseVector:
        terms = np.unique(np.concatenate([vector.indices for vector in window]))
        return SparseVector(terms.astype(np.uint32), np.ones(terms.size, np.float32))


def encoded(numbers: list[int]) -> Encoded:
    one = np.ones(1, np.float32)
    sparse = [SparseVector(np.array([number], np.uint32), one) for number in numbers]
    return Encoded(np.array([[float(number)] for number in numbers], np.float32), sparse)


def run(layout: list[tuple[str, int]], width: int, cuts: list[int]) -> dict[int, set[int]]:
    """Pool sentences 0..n with these (document, section), in pieces cut at ``cuts``: number -> numbers it saw."""
    records = [SentenceRecord(doc, number, f"s{number}", section=sec) for number, (doc, sec) in enumerate(layout)]
    pooler = WindowPooler(Union(), width)
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(records)}), len(records)]
    seen: dict[int, set[int]] = {}
    points = []
    for low, high in itertools.pairwise(edges):
        points += pooler.push(records[low:high], encoded(list(range(low, high))))
    points += pooler.finish()
    for point in points:
        assert point.dense[0] == point.record.position
        seen[point.record.position] = set(point.sparse.indices.tolist())
    assert [point.record.position for point in points] == list(range(len(records)))
    return seen


def expected(layout: list[tuple[str, int]], width: int) -> dict[int, set[int]]:
    return {
        i: {j for j in range(max(0, i - width), min(len(layout), i + width + 1)) if _connected(layout, i, j)}
        for i in range(len(layout))
    }


def _connected(layout: list[tuple[str, int]], i: int, j: int) -> bool:
    return len(set(layout[min(i, j) : max(i, j) + 1])) == 1


def test_a_sentence_sees_its_neighbours_on_both_sides() -> None:
    seen = run([("a", 0)] * 6, width=2, cuts=[])
    assert seen[0] == {0, 1, 2}
    assert seen[3] == {1, 2, 3, 4, 5}
    assert seen[5] == {3, 4, 5}


def test_windows_stop_at_sections_and_documents() -> None:
    seen = run([("a", 0), ("a", 0), ("a", 1), ("b", 1)], width=3, cuts=[])
    assert seen == {0: {0, 1}, 1: {0, 1}, 2: {2}, 3: {3}}


def test_width_zero_leaves_each_sentence_alone() -> None:
    assert run([("a", 0)] * 3, width=0, cuts=[]) == {0: {0}, 1: {1}, 2: {2}}


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=25),
    st.integers(0, 4),
    st.lists(st.integers(0, 25), max_size=6),
)
def test_pieces_make_no_difference(layout: list[tuple[str, int]], width: int, cuts: list[int]) -> None:
    assert run(layout, width, cuts) == expected(layout, width)


def points_in_memory() -> int:
    return sum(type(thing) is ReadyPoint for thing in gc.get_objects())


@pytest.mark.parametrize("length", [1_000])
def test_it_holds_back_only_a_window(length: int) -> None:
    pooler = WindowPooler(Union(), 3)
    records = [SentenceRecord("a", number, "s") for number in range(length)]
    before = points_in_memory()
    released = sum(1 for _ in pooler.push(records, encoded(list(range(length)))))
    assert released == length - 3
    assert points_in_memory() - before <= 6


def test_without_a_lexical_side_nothing_waits() -> None:
    pooler = WindowPooler(None, 3)
    dense = Encoded(np.ones((2, 1), np.float32))
    points = list(pooler.push([SentenceRecord("a", 0, "x"), SentenceRecord("a", 1, "y")], dense))
    assert [point.sparse for point in points] == [None, None]


def words(*texts: str) -> tuple[Bm25, list[SparseVector]]:
    bm25 = Bm25()
    return bm25, bm25.encode_documents(list(texts))


def values(vector: SparseVector | None) -> dict[int, float]:
    assert vector is not None
    return dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))


def pooled(records: list[SentenceRecord], places: Sequence[str] = (), **options: float) -> list[dict[int, float]]:
    bm25, sparse = words(*(record.text for record in records))
    pooler = WindowPooler(bm25, 3, **options)
    found = bm25.encode_documents(list(places)) or None
    dense = np.ones((len(records), 1), np.float32)
    points = [*pooler.push(records, Encoded(dense, sparse), found), *pooler.finish()]
    return [values(point.sparse) for point in points]


def term(word: str) -> int:
    return zlib.crc32(word.encode())


def test_own_words_count_more_than_the_neighbours() -> None:
    texts = ["The pump stands here.", "It wants oil.", "The valve is red."]
    first, second, _ = pooled([SentenceRecord("d", i, text) for i, text in enumerate(texts)])
    assert first[term("pump")] > first[term("oil")] > 0
    assert second[term("oil")] > second[term("pump")] > 0
    alone, *_ = pooled([SentenceRecord("d", i, text) for i, text in enumerate(texts)], neighbours=0.0)
    assert set(alone) == {term("pump"), term("stand"), term("here")}


def test_rows_and_items_see_no_neighbours() -> None:
    rows = [SentenceRecord("d", i, f"code: QX-{i}; price: 5", kind="table") for i in range(3)]
    assert all(term(f"qx{other}") not in row for i, row in enumerate(pooled(rows)) for other in range(3) if other != i)
    items = [
        SentenceRecord("d", 0, "- oil"),
        SentenceRecord("d", 1, "2. filters"),
        SentenceRecord("d", 2, "（三）滤芯"),
    ]
    assert [len(item) for item in pooled(items)] == [1, 2, 2]
    long = [SentenceRecord("d", 0, "1. " + "The lessee pays. " * 20), SentenceRecord("d", 1, "It is due in May.")]
    assert term("due") in pooled(long)[0]


def test_words_of_the_place_count_at_a_share() -> None:
    records = [SentenceRecord("d", 0, "Five years.")]
    [with_place] = pooled(records, ["Bora 700 > Guarantee"], place=0.3)
    assert with_place[term("year")] > with_place[term("bora")] > 0
    assert set(pooled(records)[0]) == {term("five"), term("year")}


@pytest.mark.parametrize("lexical", [Bm25(), LearnedLexical()], ids=["bm25", "learned"])
@pytest.mark.parametrize(("share", "share_of"), [(0.0, "window"), (0.5, "window"), (0.5, "document")])
def test_windows_pooled_all_at_once_are_those_pooled_one_by_one(lexical: Any, share: float, share_of: Any) -> None:
    """The same records in the same order with the same vectors, bit for bit."""

    class OneByOne:
        name, idf, neighbours = lexical.name, lexical.idf, lexical.neighbours

        def pool(self, window: Sequence[SparseVector], weights: Sequence[float] | None = None) -> SparseVector:
            found: SparseVector = lexical.pool(window, weights)
            return found

    rng = np.random.default_rng(4)
    records, sparse, places = [], [], []
    for number in range(300):
        document, section = f"d{number // 70}", number // 23
        text = "- an item" if number % 11 == 0 else f"sentence {number}"
        kind = "table" if number % 17 == 0 else "text"
        records.append(SentenceRecord(document, number % 70, text, section=section, kind=kind))
        terms = np.unique(rng.integers(0, 2**32, rng.integers(0, 40), dtype=np.uint64) % 60_000).astype(np.uint32)
        sparse.append(SparseVector(terms, rng.uniform(0.1, 3.0, len(terms)).astype(np.float32)))
        places.append(None if number % 5 else sparse[-1])
    dense = rng.standard_normal((300, 16)).astype(np.float32)
    made = []
    for side in (lexical, OneByOne()):
        pooler = WindowPooler(side, 3, share, share_of, neighbours=0.5, place=0.3)
        points = []
        for low, high in itertools.pairwise([0, 1, 40, 171, 300]):
            part = Encoded(dense[low:high], sparse[low:high])
            points += pooler.push(records[low:high], part, places[low:high])
        made.append([*points, *pooler.finish()])
    assert [point.record for point in made[0]] == [point.record for point in made[1]] == records
    for one, other in zip(*made, strict=True):
        assert one.dense.tobytes() == other.dense.tobytes()
        assert one.sparse is not None and other.sparse is not None
        assert one.sparse.indices.tobytes() == other.sparse.indices.tobytes()
        assert one.sparse.values.tobytes() == other.sparse.values.tobytes()
