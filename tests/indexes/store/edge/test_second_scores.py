"""What one leg found is scored by the other: from stored vectors, as a search over these points would score it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

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


def test_what_the_engine_weights_itself_is_searched() -> None:
    described: dict[str, Any] = {
        "vectors": {DENSE: {"distance": "Cosine", "datatype": None}, "few": {"distance": "Dot", "datatype": "turbo8"}},
        "sparse_vectors": {SPARSE: {"modifier": None}, "counted": {"modifier": "idf"}},
    }
    plain = {name: second_scores.is_plain(Leg(name, None, 1), described) for name in (DENSE, "few", SPARSE, "counted")}
    assert plain == {DENSE: True, "few": False, SPARSE: True, "counted": False}
