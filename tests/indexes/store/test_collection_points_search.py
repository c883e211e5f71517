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

from indexes.encoders.base import SparseVector
from indexes.encoders.vectors import EMPTY_SPARSE
from indexes.errors import CollectionNotFoundError, FingerprintMismatchError, StoreError
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import StoreSettings
from indexes.store.client import as_engine
from indexes.store.collection import collection_names
from indexes.store.edge.client import EdgeClient
from tests.indexes.store.store_fixtures import DIM, fill, fingerprint, legs, make_records, on, sparse_rows, unit

SMALL = StoreSettings(min_free_mb=1)


# ---- schema and fingerprint ----


def test_a_collection_records_its_model(engine: Any) -> None:
    made = fingerprint(prompts={"query": "查询: ", "document": ""})
    on(engine, "notes").ensure(made, idf=True, settings=SMALL, extra={"average_length": 80.0})
    recorded = on(engine, "notes").fingerprint()
    assert recorded == {**made.as_dict(), "digest": made.digest}
    assert on(engine, "notes").record()["average_length"] == 80.0
    params = engine.get_collection("notes").config.params
    assert params.vectors["dense"].size == DIM
    assert params.vectors["dense"].distance == models.Distance.COSINE
    assert params.sparse_vectors["sparse"].modifier == models.Modifier.IDF
    assert on(engine, "notes").has_sparse()
    on(engine, "notes").ensure(made, idf=True, settings=SMALL)  # there already: checked only
    if isinstance(engine, EdgeClient):
        assert set(engine.get_collection("notes").payload_schema) == {"doc_id"}


def test_a_dense_only_collection_has_no_sparse_vector(engine: Any) -> None:
    on(engine, "notes").ensure(fingerprint(sparse="none"), idf=False, settings=SMALL)
    assert not engine.get_collection("notes").config.params.sparse_vectors
    assert not on(engine, "notes").has_sparse()
    on(engine, "notes").put(make_records("a", ["one"]), unit(np.random.default_rng(0), 1), None)
    found = on(engine, "notes").hybrid_search(np.ones(DIM, np.float32), None, limit=5)
    assert [(hit.dense_rank, hit.sparse_rank) for hit in found] == [(1, None)]


def test_another_model_is_refused_with_both_names_and_the_way_out(engine: Any) -> None:
    on(engine, "notes").ensure(fingerprint(), idf=False, settings=SMALL)
    on(engine, "notes").check_fingerprint(fingerprint(model="/elsewhere/tiny"))  # the same weights under another name
    other = fingerprint(model="large", weights="def", dim=16)
    for attempt in (
        lambda: on(engine, "notes").check_fingerprint(other),
        lambda: on(engine, "notes").ensure(other, idf=False, settings=SMALL),
    ):
        with pytest.raises(FingerprintMismatchError) as caught:
            attempt()
        message = str(caught.value)
        assert all(
            part in message
            for part in ("'tiny'", "'large'", "dim 8 against 16", "set the encoder (provider and model) back")
        )
        assert "\n" not in message


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ("bm25:v1,k1=1.2", "bm25:v2,k1=1.2", "the word rules changed since collection 'notes' was built"),
        ("bm25:v2,k1=1.2", "bm25:v2,k1=1.5", "another lexical side of the same model"),
        ("learned", "bm25:v2,k1=1.2", "another lexical side of the same model"),
    ],
)
def test_other_words_are_not_another_model(engine: Any, before: str, now: str, said: str) -> None:
    on(engine, "notes").ensure(fingerprint(sparse=before), idf=False, settings=SMALL)
    with pytest.raises(FingerprintMismatchError) as caught:
        on(engine, "notes").check_fingerprint(fingerprint(sparse=now, model="/moved/tiny"))
    assert said in caught.value.what and "'tiny'" not in str(caught.value)
    assert "rag ingest --reindex --collection notes" in str(caught.value)


def test_a_foreign_collection_is_refused(engine: Any) -> None:
    engine.create_collection("theirs", vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    assert on(engine, "theirs").fingerprint() is None
    with pytest.raises(FingerprintMismatchError, match="not built by RagWright"):
        on(engine, "theirs").check_fingerprint(fingerprint())


def test_missing_collections_name_those_that_exist(engine: Any) -> None:
    with pytest.raises(CollectionNotFoundError, match=r"no collection 'notes' .*there: none.*rag ingest"):
        on(engine, "notes").fingerprint()
    fill(engine, "b", make_records("a", ["one"]))
    fill(engine, "a", make_records("a", ["one"]))
    assert collection_names(as_engine(engine)) == ["a", "b"]
    with pytest.raises(CollectionNotFoundError, match=r"there: a, b"):
        on(engine, "notes").check()


@pytest.mark.parametrize("name", ["../x", "", "a b", "a/b"])
def test_names_are_the_same_on_every_engine(engine: Any, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be a collection's name"):
        on(engine, name).ensure(fingerprint(), idf=False, settings=SMALL)


def test_turbo8_is_stored_and_searched(edge: EdgeClient) -> None:
    settings = StoreSettings(min_free_mb=1, quantization="turbo8", on_disk=True)
    made = fingerprint(dim=64)
    on(edge, "small").ensure(made, idf=False, settings=settings)
    rng = np.random.default_rng(0)
    dense = unit(rng, 300, 64)
    records = make_records("a", [f"text {i}" for i in range(300)])
    on(edge, "small").put(records, dense, sparse_rows(rng, 300))
    params = edge.get_collection("small").config.params.vectors["dense"]
    assert params.datatype == models.Datatype.TURBO8
    for i in range(0, 300, 30):
        assert on(edge, "small").hybrid_search(dense[i], None, limit=1)[0].id == records[i].id


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
    assert on(engine, "notes").count() == 3
    texts = {record.payload["text"] for record in engine.scroll("notes", limit=9)[0]}
    assert texts == {"one", "zwei", "drei"}
    on(engine, "notes").put([], np.empty((0, DIM), np.float32), [])


def test_deleting_and_listing_documents(engine: Any) -> None:
    for name, size in (("b", 3), ("a", 5), ("c", 2)):
        fill(engine, "notes", make_records(name, ["text"] * size))
    on(engine, "notes").delete_points([make_records("a", ["x"])[0].id])  # a document without its first sentence
    assert [row[:4] for row in on(engine, "notes").documents()] == [
        ("a", "a.md", "A", 4),
        ("b", "b.md", "B", 3),
        ("c", "c.md", "C", 2),
    ]
    assert on(engine, "notes").count("b") == 3
    assert on(engine, "notes").delete_document("b") == 3
    assert on(engine, "notes").delete_document("b") == 0
    assert [row.doc_id for row in on(engine, "notes").documents()] == ["a", "c"]
    assert on(engine, "notes").count() == 6


def test_an_empty_collection_lists_nothing(engine: Any) -> None:
    fill(engine, "notes", [])
    assert list(on(engine, "notes").documents()) == []


# ---- search ----


def test_both_legs_in_one_call(engine: Any) -> None:
    rng = np.random.default_rng(1)
    records = make_records("a", [f"text {i}" for i in range(100)])
    dense, sparse = unit(rng, 100), sparse_rows(rng, 100)
    exactly = StoreSettings(min_free_mb=1, quantization="none")
    on(engine, "notes").ensure(fingerprint(), idf=False, settings=exactly)
    on(engine, "notes").put(records, dense, sparse)
    store, question, terms = on(engine, "notes"), dense[3], sparse[7]
    of_dense, of_sparse = legs(store, question, terms)
    cosines = dense @ question
    exact = np.argsort(-cosines)[:10]
    assert [hit.id for hit in of_dense] == [records[i].id for i in exact]
    assert np.allclose([hit.dense_score for hit in of_dense], cosines[exact], atol=1e-5)
    weights = {int(i): float(v) for i, v in zip(terms.indices, terms.values, strict=True)}
    dots = np.array(
        [sum(weights.get(int(i), 0) * float(v) for i, v in zip(r.indices, r.values, strict=True)) for r in sparse]
    )
    assert np.allclose([hit.sparse_score for hit in of_sparse], np.sort(dots)[::-1][:10], rtol=1e-3)
    assert of_sparse[0].id == records[7].id
    assert of_dense[0].payload["text"] == "text 3"

    both = store.hybrid_search(question, terms, limit=10)
    assert [hit.score for hit in both] == sorted((hit.score for hit in both), reverse=True)
    place = {record.id: i for i, record in enumerate(records)}
    assert {hit.id for hit in both} == {hit.id for hit in (*of_dense, *of_sparse)}
    assert len(both) > 10  # the legs differ, so each lacks some of the other's
    assert np.allclose([hit.dense_score for hit in both], [cosines[place[hit.id]] for hit in both], atol=1e-5)
    assert np.allclose([hit.sparse_score for hit in both], [dots[place[hit.id]] for hit in both], rtol=1e-3, atol=1e-6)
    assert any(hit.sparse_score == 0 for hit in both) or dots.min() > 0  # no term in common: 0, not missing
    alone = store.hybrid_search(question, terms, limit=10, score_both=False)
    assert alone[0].id in {records[3].id, records[7].id}
    assert {hit.id for hit in alone if hit.dense_score is None} == {hit.id for hit in both if hit.dense_rank is None}


def test_the_idf_of_a_score_does_not_depend_on_what_is_scored(engine: Any) -> None:
    rng = np.random.default_rng(2)
    records = make_records("a", [f"text {i}" for i in range(60)])
    dense, sparse = unit(rng, 60), sparse_rows(rng, 60)
    exactly = StoreSettings(min_free_mb=1, quantization="none")
    store = on(engine, "notes")
    store.ensure(fingerprint(), idf=True, settings=exactly)
    store.put(records, dense, sparse)
    both = store.hybrid_search(dense[3], sparse[7], limit=5)
    everywhere = {hit.id: hit.score for hit in store.hybrid_search(None, sparse[7], limit=60)}
    assert any(hit.sparse_rank is None for hit in both)  # scored in the second search
    wanted = {hit.id: everywhere.get(hit.id, 0.0) for hit in both}
    assert {hit.id: hit.sparse_score for hit in both} == pytest.approx(wanted)


def test_legs_left_out(engine: Any) -> None:
    fill(engine, "notes", make_records("a", ["one", "two"]))
    dense, sparse = np.ones(DIM, np.float32), SparseVector(np.arange(40, dtype=np.uint32), np.ones(40, np.float32))
    store = on(engine, "notes")
    assert store.hybrid_search(None, None, limit=5) == []
    assert store.hybrid_search(dense, sparse, limit=0) == []
    assert {hit.sparse_rank for hit in store.hybrid_search(dense, EMPTY_SPARSE, limit=5)} == {None}
    only = store.hybrid_search(None, sparse, limit=5)
    assert [(hit.dense_rank, hit.sparse_rank) for hit in only] == [(None, 1), (None, 2)]
    assert [hit.score for hit in only] == [hit.sparse_score for hit in only]
    for method, leg in (("dense", "dense_rank"), ("sparse", "sparse_rank")):
        found = store.hybrid_search(dense, sparse, limit=5, method=method)  # type: ignore[arg-type]
        assert [getattr(hit, leg) for hit in found] == [1, 2]
    assert len(store.hybrid_search(dense, sparse, limit=1, sparse_limit=2, method="rrf")) == 2


def test_equal_scores_are_cut_by_id(engine: Any) -> None:
    records = [record for d in range(12) for record in make_records(f"d{d}", ["the same sentence"])]
    same = np.tile(unit(np.random.default_rng(2), 1), (12, 1))
    terms = [SparseVector(np.array([5], np.uint32), np.array([1.0], np.float32))] * 12
    on(engine, "notes").ensure(fingerprint(), idf=False, settings=SMALL)
    on(engine, "notes").put(records, same, terms)
    expected = sorted(record.id for record in records)[:5]
    for leg in legs(on(engine, "notes"), same[0], terms[0], limit=5):
        assert [hit.id for hit in leg] == expected


def test_searching_what_is_not_there(edge: EdgeClient) -> None:
    with pytest.raises(CollectionNotFoundError):
        on(edge, "notes").hybrid_search(np.ones(DIM, np.float32), None, limit=5)


# ---- windows ----


def positions(windows: dict[str, list[SentenceRecord]], record: SentenceRecord) -> list[int]:
    return [sentence.position for sentence in windows[record.id]]


def test_windows_in_one_call(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_records("a", [f"sentence {i}" for i in range(12)], sections=[0] * 4 + [1] * 8)
    second = make_records("b", ["only one"])
    fill(engine, "notes", [*first, *second])
    on(engine, "notes").delete_points([first[9].id])
    store, hits = on(engine, "notes"), [first[1], first[4], first[7], second[0]]
    asked: list[int] = []
    payloads = store.engine.payloads
    monkeypatch.setattr(store.engine, "payloads", lambda name, ids: asked.append(len(ids)) or payloads(name, ids))
    windows = store.windows(hits, 3)
    assert len(asked) == 1
    assert positions(windows, first[1]) == [0, 1, 2, 3], "document's start; section's end"
    assert positions(windows, first[4]) == [4, 5, 6, 7], "section's start"
    assert positions(windows, first[7]) == [4, 5, 6, 7, 8], "a hole ends the window"
    assert positions(windows, second[0]) == [0]
    assert windows[first[7].id][0] == first[4]
    assert store.windows(hits, 0) == {record.id: [record] for record in hits}
    assert store.windows([], 3) == {}
    assert len(asked) == 1


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
    assert on(engine, "notes").count() == 1


def test_float16_keeps_the_order_and_three_digits(engine: Any) -> None:
    rng = np.random.default_rng(2)
    records = make_records("a", [f"text {i}" for i in range(200)])
    dense = unit(rng, 200)
    on(engine, "halves").ensure(fingerprint(), idf=False, settings=SMALL)
    on(engine, "halves").put(records, dense, sparse_rows(rng, 200))
    found = on(engine, "halves").hybrid_search(dense[3], None, limit=10)
    cosines = {record.id: float(cosine) for record, cosine in zip(records, dense @ dense[3], strict=True)}
    assert found[0].id == records[3].id
    assert all(abs(hit.score - cosines[hit.id]) < 1e-3 for hit in found)
    assert min(cosines[hit.id] for hit in found) > sorted(cosines.values())[-10] - 1e-3
