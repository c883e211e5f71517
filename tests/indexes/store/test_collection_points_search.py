"""Schema and fingerprint, writing and counting, searching both legs, windows: on both engines."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from qdrant_client.http import models

from indexes.encoders.base import EMPTY_SPARSE, SparseVector
from indexes.errors import CollectionNotFoundError, FingerprintMismatchError, StoreError
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import StoreSettings
from indexes.store import points
from indexes.store.collection import (
    check_fingerprint,
    drop_collection,
    ensure_collection,
    has_sparse,
    list_collections,
    read_fingerprint,
    read_record,
)
from indexes.store.edge.client import EdgeClient
from indexes.store.fusion import fuse
from indexes.store.neighbours import fetch_windows
from indexes.store.search import Hit, Legs, complete_legs, search_legs
from tests.indexes.store.store_fixtures import DIM, fill, fingerprint, make_records, sparse_rows, unit

SMALL = StoreSettings(min_free_mb=1)


# ---- schema and fingerprint ----


def test_a_collection_records_its_model(engine: Any) -> None:
    made = fingerprint(prompts={"query": "查询: ", "document": ""})
    ensure_collection(engine, "notes", fingerprint=made, idf=True, settings=SMALL, extra={"average_length": 80.0})
    recorded = read_fingerprint(engine, "notes")
    assert recorded == {**made.as_dict(), "digest": made.digest}
    assert read_record(engine, "notes")["average_length"] == 80.0
    params = engine.get_collection("notes").config.params
    assert params.vectors["dense"].size == DIM
    assert params.vectors["dense"].distance == models.Distance.COSINE
    assert params.sparse_vectors["sparse"].modifier == models.Modifier.IDF
    assert has_sparse(engine, "notes")
    ensure_collection(engine, "notes", fingerprint=made, idf=True, settings=SMALL)  # there already: checked only
    if isinstance(engine, EdgeClient):
        assert set(engine.get_collection("notes").payload_schema) == {"doc_id"}


def test_a_dense_only_collection_has_no_sparse_vector(engine: Any) -> None:
    ensure_collection(engine, "notes", fingerprint=fingerprint(sparse="none"), idf=False, settings=SMALL)
    assert not engine.get_collection("notes").config.params.sparse_vectors
    assert not has_sparse(engine, "notes")
    points.upsert_records(engine, "notes", make_records("a", ["one"]), unit(np.random.default_rng(0), 1), None)
    legs = search_legs(engine, "notes", dense=np.ones(DIM, np.float32), sparse=None, limit=5)
    assert len(legs.dense) == 1 and legs.sparse == []


def test_another_model_is_refused_with_both_names_and_the_way_out(engine: Any) -> None:
    ensure_collection(engine, "notes", fingerprint=fingerprint(), idf=False, settings=SMALL)
    check_fingerprint(engine, "notes", fingerprint(model="/elsewhere/tiny"))  # the same weights under another name
    other = fingerprint(model="large", weights="def", dim=16)
    for attempt in (
        lambda: check_fingerprint(engine, "notes", other),
        lambda: ensure_collection(engine, "notes", fingerprint=other, idf=False, settings=SMALL),
    ):
        with pytest.raises(FingerprintMismatchError) as caught:
            attempt()
        message = str(caught.value)
        assert all(
            part in message
            for part in ("'tiny'", "'large'", "dim 8 against 16", "set the encoder (provider and model) back")
        )
        assert "\n" not in message


def test_a_foreign_collection_is_refused(engine: Any) -> None:
    engine.create_collection("theirs", vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    assert read_fingerprint(engine, "theirs") is None
    with pytest.raises(FingerprintMismatchError, match="not built by RagWright"):
        check_fingerprint(engine, "theirs", fingerprint())


def test_missing_collections_name_those_that_exist(engine: Any) -> None:
    with pytest.raises(CollectionNotFoundError, match=r"no collection 'notes' .*there: none.*rag ingest"):
        read_fingerprint(engine, "notes")
    fill(engine, "b", make_records("a", ["one"]))
    fill(engine, "a", make_records("a", ["one"]))
    assert list_collections(engine) == ["a", "b"]
    for attempt in (drop_collection, read_fingerprint):
        with pytest.raises(CollectionNotFoundError, match=r"there: a, b"):
            attempt(engine, "notes")
    drop_collection(engine, "a")
    assert list_collections(engine) == ["b"]


@pytest.mark.parametrize("name", ["../x", "", "a b", "a/b"])
def test_names_are_the_same_on_every_engine(engine: Any, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be a collection's name"):
        ensure_collection(engine, name, fingerprint=fingerprint(), idf=False, settings=SMALL)


def test_turbo8_is_stored_and_searched(edge: EdgeClient) -> None:
    settings = StoreSettings(min_free_mb=1, quantization="turbo8", on_disk=True)
    made = fingerprint(dim=64)
    ensure_collection(edge, "small", fingerprint=made, idf=False, settings=settings)
    rng = np.random.default_rng(0)
    dense = unit(rng, 300, 64)
    records = make_records("a", [f"text {i}" for i in range(300)])
    points.upsert_records(edge, "small", records, dense, sparse_rows(rng, 300))
    params = edge.get_collection("small").config.params.vectors["dense"]
    assert params.datatype == models.Datatype.TURBO8
    for i in range(0, 300, 30):
        assert search_legs(edge, "small", dense=dense[i], sparse=None, limit=1).dense[0].id == records[i].id


# ---- points ----


def test_records_come_back_as_they_were(engine: Any) -> None:
    records = [
        SentenceRecord("文档", 0, "第一句。", 0, 4, "", 0, "heading", {"source": "文档.md", "page": 2, "tags": ["a"]}),
        SentenceRecord("文档", 1, "Second.", 5, 12, "\n", 1, "text", {"source": "文档.md", "draft": True, "x": None}),
    ]
    fill(engine, "notes", records)
    found = engine.retrieve("notes", ids=[record.id for record in records], with_payload=True)
    assert {str(p.id): SentenceRecord.from_payload(p.payload) for p in found} == {r.id: r for r in records}


def test_writing_again_replaces(engine: Any) -> None:
    fill(engine, "notes", make_records("a", ["one", "two"]))
    fill(engine, "notes", make_records("a", ["one", "zwei", "drei"]))
    assert points.count(engine, "notes") == 3
    texts = {record.payload["text"] for record in engine.scroll("notes", limit=9)[0]}
    assert texts == {"one", "zwei", "drei"}
    points.upsert_records(engine, "notes", [], np.empty((0, DIM), np.float32), [])


def test_deleting_and_listing_documents(engine: Any) -> None:
    for name, size in (("b", 3), ("a", 5), ("c", 2)):
        fill(engine, "notes", make_records(name, ["text"] * size))
    points.delete_points(engine, "notes", [make_records("a", ["x"])[0].id])  # a document without its first sentence
    assert list(points.iter_documents(engine, "notes")) == [
        ("a", "a.md", "A", 4),
        ("b", "b.md", "B", 3),
        ("c", "c.md", "C", 2),
    ]
    assert points.count(engine, "notes", "b") == 3
    assert points.delete_document(engine, "notes", "b") == 3
    assert points.delete_document(engine, "notes", "b") == 0
    assert [row.doc_id for row in points.iter_documents(engine, "notes")] == ["a", "c"]
    assert points.count(engine, "notes") == 6
    assert points.optimize(engine, "notes") is False  # too small to need it


def test_an_empty_collection_lists_nothing(engine: Any) -> None:
    fill(engine, "notes", [])
    assert list(points.iter_documents(engine, "notes")) == []


# ---- search ----


def test_both_legs_in_one_call(engine: Any) -> None:
    rng = np.random.default_rng(1)
    records = make_records("a", [f"text {i}" for i in range(100)])
    dense, sparse = unit(rng, 100), sparse_rows(rng, 100)
    exactly = StoreSettings(min_free_mb=1, quantization="none")
    ensure_collection(engine, "notes", fingerprint=fingerprint(), idf=False, settings=exactly)
    points.upsert_records(engine, "notes", records, dense, sparse)
    question, terms = dense[3], sparse[7]
    legs = search_legs(engine, "notes", dense=question, sparse=terms, limit=10)
    exact = np.argsort(-(dense @ question))[:10]
    assert [hit.id for hit in legs.dense] == [records[i].id for i in exact]
    assert np.allclose([hit.score for hit in legs.dense], (dense @ question)[exact], atol=1e-5)
    weights = {int(i): float(v) for i, v in zip(terms.indices, terms.values, strict=True)}
    dots = np.array(
        [sum(weights.get(int(i), 0) * float(v) for i, v in zip(r.indices, r.values, strict=True)) for r in sparse]
    )
    assert np.allclose([hit.score for hit in legs.sparse], np.sort(dots)[::-1][:10], rtol=1e-3)
    assert legs.sparse[0].id == records[7].id
    assert legs.dense[0].payload["text"] == "text 3"
    bare = search_legs(engine, "notes", dense=question, sparse=terms, limit=10, with_payload=False)
    assert [hit.id for hit in bare.dense] == [hit.id for hit in legs.dense] and bare.dense[0].payload == {}
    assert fuse(*legs.scores())[0][0] in {records[3].id, records[7].id}

    cosines, weighed = map(dict, complete_legs(engine, "notes", legs, dense=question, sparse=terms))
    place = {record.id: i for i, record in enumerate(records)}
    wanted = {hit.id for hit in (*legs.dense, *legs.sparse)}
    assert len(wanted) > 10  # the legs differ, so each lacks some of the other's
    assert cosines.keys() == weighed.keys() == wanted
    assert np.allclose([cosines[i] for i in wanted], [(dense @ question)[place[i]] for i in wanted], atol=1e-5)
    assert np.allclose([weighed[i] for i in wanted], [dots[place[i]] for i in wanted], rtol=1e-3, atol=1e-6)
    assert any(weighed[hit.id] == 0 for hit in legs.dense) or dots.min() > 0  # no term in common: 0, not missing


def test_the_idf_of_a_score_does_not_depend_on_what_is_scored(engine: Any) -> None:
    rng = np.random.default_rng(2)
    records = make_records("a", [f"text {i}" for i in range(60)])
    dense, sparse = unit(rng, 60), sparse_rows(rng, 60)
    exactly = StoreSettings(min_free_mb=1, quantization="none")
    ensure_collection(engine, "notes", fingerprint=fingerprint(), idf=True, settings=exactly)
    points.upsert_records(engine, "notes", records, dense, sparse)
    legs = search_legs(engine, "notes", dense=dense[3], sparse=sparse[7], limit=5)
    _, weighed = complete_legs(engine, "notes", legs, dense=dense[3], sparse=sparse[7])
    whole = search_legs(engine, "notes", dense=None, sparse=sparse[7], limit=60)
    everywhere = {hit.id: hit.score for hit in whole.sparse}
    assert {hit.id for hit in legs.dense} - {hit.id for hit in legs.sparse}  # scored in the second search
    assert dict(weighed) == pytest.approx({key: everywhere.get(key, 0.0) for key, _ in weighed})


def test_legs_left_out(engine: Any) -> None:
    fill(engine, "notes", make_records("a", ["one", "two"]))
    dense, sparse = np.ones(DIM, np.float32), SparseVector(np.arange(40, dtype=np.uint32), np.ones(40, np.float32))
    assert search_legs(engine, "notes", dense=None, sparse=None, limit=5) == Legs()
    assert search_legs(engine, "notes", dense=dense, sparse=sparse, limit=0) == Legs()
    assert search_legs(engine, "notes", dense=dense, sparse=EMPTY_SPARSE, limit=5).sparse == []
    only = search_legs(engine, "notes", dense=None, sparse=sparse, limit=5)
    assert only.dense == [] and len(only.sparse) == 2
    assert Legs(dense=[Hit("a", 1.0, {"x": 1})]).payloads() == {"a": {"x": 1}}


def test_equal_scores_are_cut_by_id(engine: Any) -> None:
    records = [record for d in range(12) for record in make_records(f"d{d}", ["the same sentence"])]
    same = np.tile(unit(np.random.default_rng(2), 1), (12, 1))
    terms = [SparseVector(np.array([5], np.uint32), np.array([1.0], np.float32))] * 12
    ensure_collection(engine, "notes", fingerprint=fingerprint(), idf=False, settings=SMALL)
    points.upsert_records(engine, "notes", records, same, terms)
    legs = search_legs(engine, "notes", dense=same[0], sparse=terms[0], limit=5)
    expected = sorted(record.id for record in records)[:5]
    assert [hit.id for hit in legs.dense] == expected
    assert [hit.id for hit in legs.sparse] == expected


def test_searching_what_is_not_there(edge: EdgeClient) -> None:
    with pytest.raises(CollectionNotFoundError):
        search_legs(edge, "notes", dense=np.ones(DIM, np.float32), sparse=None, limit=5)


# ---- windows ----


class FakeCounting:
    """Counts the retrieve calls that pass through."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls = 0

    def retrieve(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self._client.retrieve(*args, **kwargs)


def positions(windows: dict[str, list[SentenceRecord]], record: SentenceRecord) -> list[int]:
    return [sentence.position for sentence in windows[record.id]]


def test_windows_in_one_call(engine: Any) -> None:
    first = make_records("a", [f"sentence {i}" for i in range(12)], sections=[0] * 4 + [1] * 8)
    second = make_records("b", ["only one"])
    fill(engine, "notes", [*first, *second])
    points.delete_points(engine, "notes", [first[9].id])
    counting = FakeCounting(engine)
    hits = [first[1], first[4], first[7], second[0]]
    windows = fetch_windows(counting, "notes", hits, 3)
    assert counting.calls == 1
    assert positions(windows, first[1]) == [0, 1, 2, 3], "document's start; section's end"
    assert positions(windows, first[4]) == [4, 5, 6, 7], "section's start"
    assert positions(windows, first[7]) == [4, 5, 6, 7, 8], "a hole ends the window"
    assert positions(windows, second[0]) == [0]
    assert windows[first[7].id][0] == first[4]
    assert fetch_windows(counting, "notes", hits, 0) == {record.id: [record] for record in hits}
    assert fetch_windows(counting, "notes", [], 3) == {}
    assert counting.calls == 1


# ---- payloads ----


def test_metadata_of_any_kind_is_stored_or_named(engine: Any) -> None:
    given = {
        "day": datetime(2025, 3, 1, 12, 30),
        "path": Path("docs/石.md"),
        "score": np.float32(0.5),
        "pages": (1, np.int64(2)),
        "tags": {"b", "a"},
        "nested": {1: {"ok": np.bool_(True)}},
        "id": UUID(int=5),
        "price": Decimal("1.10"),
        "half": "a\udcffb",
        "colour": models.Distance.DOT,
        "none": None,
    }
    fill(engine, "notes", [SentenceRecord("a", 0, "one", metadata=given)])
    stored = engine.scroll("notes", limit=1)[0][0].payload["metadata"]
    assert stored == {
        "day": "2025-03-01T12:30:00",
        "path": "docs/石.md",
        "score": 0.5,
        "pages": [1, 2],
        "tags": ["a", "b"],
        "nested": {"1": {"ok": True}},
        "id": str(UUID(int=5)),
        "price": "1.10",
        "half": stored["half"],
        "colour": "Dot",
        "none": None,
    }
    assert "\ufffd" in stored["half"]
    for bad in (float("nan"), object()):
        records = make_records("b", ["text"] * 700)
        records[650].metadata["odd"] = {"inner": bad}
        with pytest.raises(StoreError, match=r"at metadata\.odd\.inner cannot be stored"):
            fill(engine, "notes", records)
    assert points.count(engine, "notes") == 1


def test_float16_keeps_the_order_and_three_digits(engine: Any) -> None:
    rng = np.random.default_rng(2)
    records = make_records("a", [f"text {i}" for i in range(200)])
    dense = unit(rng, 200)
    ensure_collection(engine, "halves", fingerprint=fingerprint(), idf=False, settings=SMALL)
    points.upsert_records(engine, "halves", records, dense, sparse_rows(rng, 200))
    found = search_legs(engine, "halves", dense=dense[3], sparse=None, limit=10).dense
    cosines = {record.id: float(cosine) for record, cosine in zip(records, dense @ dense[3], strict=True)}
    assert found[0].id == records[3].id
    assert all(abs(hit.score - cosines[hit.id]) < 1e-3 for hit in found)
    assert min(cosines[hit.id] for hit in found) > sorted(cosines.values())[-10] - 1e-3
