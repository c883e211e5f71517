"""What one leg found is scored by the other: from stored vectors, as a search over these points would score it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from indexes.encoders.base import SparseVector
from indexes.settings.sections import StoreSettings
from indexes.store.client import open_engine
from indexes.store.collection import Collection
from indexes.store.edge import second_scores
from indexes.store.engine import DENSE, SPARSE, Lack, Leg, searched_again
from tests.indexes.store.store_fixtures import fingerprint, make_records, sparse_rows, unit


@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize("kept", ["none", "float16", "turbo8"])
def test_scores_are_those_of_a_search(tmp_path: Path, idf: bool, kept: Literal["none", "float16", "turbo8"]) -> None:
    rng = np.random.default_rng(0)
    records = make_records("a", [f"text {i}" for i in range(80)])
    dense, sparse = 3 * unit(rng, 80), sparse_rows(rng, 80)  # vectors of another length than 1
    settings = StoreSettings(path=tmp_path, engine="edge", min_free_mb=1, quantization=kept)
    engine = open_engine(settings)
    store = Collection(engine, "notes")
    store.ensure(fingerprint(), idf=idf, settings=settings)
    store.put(records, dense, sparse)
    ids = [record.id for record in records]
    lacks = [Lack(Leg(DENSE, 2 * dense[3], 5), ids[10:40]), Lack(Leg(SPARSE, sparse[7], 5), ids[30:])]
    payloads, scores = engine.scored_payloads("notes", ids[:50], lacks)
    for own, searched in zip(scores, searched_again(engine, "notes", lacks), strict=True):
        assert own == pytest.approx(searched, abs=1e-6, rel=1e-6)
    assert {key: payloads[key]["text"] for key in ids[:50]} == {record.id: record.text for record in records[:50]}
    engine.close()


def test_what_the_engine_computes_otherwise_is_searched() -> None:
    described: dict[str, Any] = {
        "vectors": {DENSE: {"distance": "Cosine", "datatype": None}, "few": {"distance": "Dot", "datatype": "turbo8"}},
        "sparse_vectors": {SPARSE: {"modifier": None}, "counted": {"modifier": "idf"}},
    }
    plain = {name: second_scores.is_plain(Leg(name, None, 1), described) for name in (DENSE, "few", SPARSE, "counted")}
    assert plain == {DENSE: True, "few": False, SPARSE: True, "counted": True}


def test_what_a_term_counts_follows_what_is_written(tmp_path: Path) -> None:
    """The engine's own count of a term's points, also over several segments and after points were deleted."""
    rng = np.random.default_rng(1)
    settings = StoreSettings(path=tmp_path, engine="edge", min_free_mb=1)
    engine = open_engine(settings)
    store = Collection(engine, "notes")
    store.ensure(fingerprint(), idf=True, settings=settings)
    records, dense, sparse = make_records("a", [f"text {i}" for i in range(120)]), unit(rng, 120), sparse_rows(rng, 120)
    unknown = SparseVector(np.array([4_000_000_000], np.uint32), np.array([1.0], np.float32))

    def same() -> list[float]:
        ids = [record.id for record in records]
        found: list[float] = []
        for question in (*sparse[::17], unknown):
            lacks = [Lack(Leg(SPARSE, question, 5), ids)]
            (own,), (searched,) = engine.scored_payloads("notes", [], lacks)[1], searched_again(engine, "notes", lacks)
            assert own == pytest.approx(searched, rel=1e-5)
            found += [own[key] for key in sorted(own)]
        return found

    store.put(records[:60], dense[:60], sparse[:60])
    before = same()
    store.put(records[60:], dense[60:], sparse[60:])
    store.flush()
    all_of_them = same()
    assert all_of_them != before and same() == all_of_them
    store.delete_points([record.id for record in records[:40]])
    assert same() != all_of_them
    engine.optimize("notes", graph=None, timeout=60)
    same()
    engine.close()
