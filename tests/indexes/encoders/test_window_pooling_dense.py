"""Dense vectors with a share of their surroundings: by hand, and against an oracle for whole collections."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.encoders.base import Encoded, SparseVector
from indexes.encoders.bm25 import Bm25
from indexes.encoders.window_pooling import WindowPooler, mix
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import SparseSettings
from tests.indexes.encoders.dense_oracle import add_context


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def random_rows(count: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, 6)))


def pooled(rows: np.ndarray, records: list[SentenceRecord], width: int, share: float, of: str) -> np.ndarray:
    pooler = WindowPooler(None, width, share, of)  # type: ignore[arg-type]
    return np.stack([point.dense for point in (*pooler.push(records, Encoded(rows)), *pooler.finish())])


def test_half_of_the_documents_mean_is_added_and_normalised() -> None:
    rows = random_rows(3)
    records = [SentenceRecord("d", place, f"s{place}") for place in range(3)]
    expected = unit(rows + 0.5 * rows.mean(axis=0))
    np.testing.assert_allclose(pooled(rows, records, 3, 0.5, "document"), expected, atol=1e-6)
    np.testing.assert_array_equal(pooled(rows, records, 3, 0.0, "document"), rows)


def test_a_lone_sentence_stays_where_it_is() -> None:
    rows = random_rows(3)
    records = [SentenceRecord(f"d{number}", 0, "s") for number in range(3)]
    for of in ("window", "document"):
        np.testing.assert_allclose(pooled(rows, records, 2, 0.7, of), rows, atol=1e-6)


def test_opposite_vectors_do_not_become_nothing() -> None:
    rows = np.array([[1, 0]], np.float32)
    np.testing.assert_array_equal(mix(rows, np.array([[-1.0, 0.0]]), 1.0), rows)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    width=st.integers(0, 3),
    of=st.sampled_from(["window", "document"]),
    chunk=st.integers(1, 5),
    lexical=st.booleans(),
)
def test_the_stream_gives_what_the_oracle_gives(
    lengths: list[int], width: int, of: str, chunk: int, lexical: bool
) -> None:
    records = [SentenceRecord(f"d{d}", p, f"s{p}") for d, length in enumerate(lengths) for p in range(length)]
    rows = random_rows(len(records), seed=1)
    sparse = [SparseVector(np.array([i], np.uint32), np.ones(1, np.float32)) for i in range(len(records))]
    pooler = WindowPooler(Bm25(SparseSettings()) if lexical else None, width, 0.5, of)  # type: ignore[arg-type]
    ready = []
    for start in range(0, len(records), chunk):
        part = slice(start, start + chunk)
        ready.extend(pooler.push(records[part], Encoded(rows[part], sparse[part] if lexical else None)))
    ready.extend(pooler.finish())
    assert [point.record for point in ready] == records
    groups = [int(record.doc_id[1:]) for record in records]
    expected = add_context(rows, groups, 0.5, width if of == "window" else None)
    np.testing.assert_allclose(np.stack([point.dense for point in ready]), expected, atol=1e-6)


def test_the_documents_mean_spans_its_sections_and_windows_do_not() -> None:
    records = [SentenceRecord("d", place, f"s{place}", section=place // 2) for place in range(4)]
    rows = random_rows(4)
    for of, groups, window in (("document", [0, 0, 0, 0], None), ("window", [0, 0, 1, 1], 3)):
        expected = add_context(rows, groups, 0.5, window)
        np.testing.assert_allclose(pooled(rows, records, 3, 0.5, of), expected, atol=1e-6)
