"""Qdrant Edge behind our adapter gives what QdrantClient(":memory:") gives."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http import models

from indexes.errors import StoreError
from indexes.store.edge import client as edge
from indexes.store.edge import packing as edge_packing
from indexes.store.edge.building.child import index_metadata
from indexes.store.edge.client import EdgeClient

N, DIM = 200, 8
NAME = "parity"


def make_points() -> list[models.PointStruct]:
    rng = np.random.default_rng(7)
    dense = rng.standard_normal((N, DIM)).round(3)
    dense[150:160] = dense[0]  # ties
    made = []
    for i in range(N):
        indices = sorted(rng.choice(30, size=5, replace=False).tolist())
        values = rng.uniform(0.1, 2.0, size=5).round(3).tolist()
        if 150 <= i < 160:
            indices, values = [1, 2, 3, 4, 5], [1.0] * 5
        payload: dict[str, Any] = {
            "text": ["The monkey king", "白骨精变作村姑", "a Monkey, twice", "plain words", ""][i % 5],
            "metadata": {"page": i % 7, "score": i / 4, "ok": i % 2 == 0, "tags": ["a", "b", "c"][: i % 4]},
            "doc_id": f"doc{i % 6}",
            "position": i // 6,
            "twin": i == 0 or 150 <= i < 160,
        }
        if i % 3 == 0:
            payload["metadata"]["lang"] = "zh" if i % 2 else "en"
        if i % 11 == 0:
            payload["metadata"]["lang"] = None
        if i % 5 == 0:
            payload["metadata"]["date"] = f"2024-0{1 + i % 9}-01T00:00:00Z"
        made.append(
            models.PointStruct(
                id=str(uuid.uuid5(uuid.NAMESPACE_URL, str(i))) if i % 4 else i,
                vector={"dense": dense[i].tolist(), "sparse": models.SparseVector(indices=indices, values=values)},
                payload=payload,
            )
        )
    return made


POINTS = make_points()


def build(client: Any, *, idf: bool = False) -> Any:
    client.create_collection(
        NAME,
        vectors_config={"dense": models.VectorParams(size=DIM, distance=models.Distance.COSINE)},
        sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF if idf else None)},
    )
    client.upsert(NAME, points=POINTS)
    return client


def packed(edge: EdgeClient) -> EdgeClient:
    """What a long ingestion does now and then."""
    edge.flush(NAME)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge_packing, "PACK_POINTS", 1)
        assert edge.pack(NAME)
    return edge


@pytest.fixture(scope="module", params=["in memory", "packed", "indexed"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    edge = build(EdgeClient(tmp_path_factory.mktemp("edge"), min_free_mb=1))
    if request.param == "indexed":
        with edge._folder(NAME).opened() as shard:
            found = index_metadata(shard, {})
        kinds = {"page": "integer", "score": "float", "ok": "bool", "tags": "keyword", "lang": "keyword"}
        assert found == {f"metadata.{key}": kind for key, kind in {**kinds, "date": "keyword"}.items()}
    yield edge if request.param == "in memory" else packed(edge), build(QdrantClient(":memory:"))
    edge.close()


@pytest.fixture(scope="module", params=[(idf, pack) for idf in (False, True) for pack in (False, True)])
def idf_pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """With and without IDF, in memory and packed."""
    idf, pack = request.param
    edge = build(EdgeClient(tmp_path_factory.mktemp("edge"), min_free_mb=1), idf=idf)
    yield packed(edge) if pack else edge, build(QdrantClient(":memory:"), idf=idf)
    edge.close()


def field(key: str, **condition: Any) -> models.FieldCondition:
    return models.FieldCondition(key=key, **condition)


def match(key: str, value: Any) -> models.FieldCondition:
    return field(key, match=models.MatchValue(value=value))


CONDITIONS: dict[str, Any] = {
    "keyword": match("doc_id", "doc3"),
    "integer": match("metadata.page", 3),
    "true": match("metadata.ok", True),
    "false": match("metadata.ok", False),
    "one is not true": match("metadata.ok", 1),
    "list member": match("metadata.tags", "b"),
    "any": field("metadata.page", match=models.MatchAny(any=[1, 2, 99])),
    "any text": field("metadata.lang", match=models.MatchAny(any=["zh", "xx"])),
    "except": field("metadata.lang", match=models.MatchExcept(**{"except": ["zh"]})),
    "text": field("text", match=models.MatchText(text="monkey")),
    "text any": field("text", match=models.MatchTextAny(text_any="words king")),
    "phrase": field("text", match=models.MatchPhrase(phrase="monkey king")),
    "prefix": field("text", match=models.MatchPrefix(prefix="The")),
    "substring": field("text", match=models.MatchSubstring(substring="骨精")),
    "substring of a keyword": field("metadata.lang", match=models.MatchSubstring(substring="z")),
    "text of a keyword": field("metadata.lang", match=models.MatchText(text="zh")),
    "text for a number": match("metadata.page", "3"),
    "number for a text": match("metadata.lang", 3),
    "range of integers": field("metadata.page", range=models.Range(gte=2.5, lt=5)),
    "except numbers": field("metadata.page", match=models.MatchExcept(**{"except": [2, 3]})),
    "range": field("metadata.score", range=models.Range(gt=3, lte=20.25)),
    "range ge": field("metadata.score", range=models.Range(gte=40, lt=45)),
    "dates": field("metadata.date", range=models.DatetimeRange(gte="2024-03-01T00:00:00Z")),
    "empty": models.IsEmptyCondition(is_empty=models.PayloadField(key="metadata.lang")),
    "null": models.IsNullCondition(is_null=models.PayloadField(key="metadata.lang")),
    "empty list": models.IsEmptyCondition(is_empty=models.PayloadField(key="metadata.tags")),
    "count": field("metadata.tags", values_count=models.ValuesCount(gte=2)),
    "ids": models.HasIdCondition(has_id=[4, 8, POINTS[5].id, 10**6]),
    "has vector": models.HasVectorCondition(has_vector="dense"),
    "nested and/or/not": models.Filter(
        should=[
            models.Filter(must=[match("doc_id", "doc1"), field("metadata.page", range=models.Range(lt=3))]),
            models.Filter(must=[match("metadata.ok", True)], must_not=[match("metadata.tags", "a")]),
        ]
    ),
    "min should": models.Filter(
        min_should=models.MinShould(
            conditions=[match("metadata.ok", True), match("doc_id", "doc2"), match("metadata.page", 1)], min_count=2
        )
    ),
}


def wrapped(condition: Any, clause: str) -> models.Filter:
    return models.Filter(**{clause: [condition]})


@pytest.mark.parametrize("clause", ["must", "must_not", "should"])
@pytest.mark.parametrize("label", CONDITIONS)
def test_filters_choose_the_same_points(pair: Any, label: str, clause: str) -> None:
    chosen = wrapped(CONDITIONS[label], clause)
    found = [{record.id for record in client.scroll(NAME, scroll_filter=chosen, limit=1000)[0]} for client in pair]
    assert found[0] == found[1]
    if clause == "must" and label not in {"one is not true", "has vector", "text for a number", "number for a text"}:
        assert 0 < len(found[0]) < N, "the case distinguishes nothing"
    assert [client.count(NAME, count_filter=chosen).count for client in pair] == [len(found[1])] * 2


def scores(response: Any) -> dict[Any, float]:
    return {point.id: point.score for point in response.points}


def assert_same_ranking(ours: Any, theirs: Any, *, tolerance: float = 1e-4) -> None:
    """The same scores at each rank; the same points but where the cut falls among equals."""
    a, b = scores(ours), scores(theirs)
    assert np.allclose(list(a.values()), list(b.values()), atol=tolerance)
    last = min(b.values(), default=0.0)
    for identity in a.keys() ^ b.keys():
        assert abs(a.get(identity, b.get(identity, 9.0)) - last) < tolerance
    for one, other in zip(ours.points, ours.points[1:], strict=False):
        assert (-one.score, str(one.id)) <= (-other.score, str(other.id)), "not in order of score, then id"


QUERIES = np.random.default_rng(3).standard_normal((6, DIM)).round(3)


@pytest.mark.parametrize("label", [None, "true", "any", "nested and/or/not", "substring"])
@pytest.mark.parametrize("row", range(3))
def test_dense_queries(pair: Any, row: int, label: str | None) -> None:
    chosen = wrapped(CONDITIONS[label], "must") if label else None
    ours, theirs = (
        client.query_points(NAME, query=QUERIES[row].tolist(), using="dense", limit=20, query_filter=chosen)
        for client in pair
    )
    assert_same_ranking(ours, theirs)
    payloads = {point.id: point.payload for point in theirs.points}
    assert all(point.payload == payloads.get(point.id, point.payload) for point in ours.points)


@pytest.mark.parametrize("label", [None, "true", "nested and/or/not"])
def test_sparse_queries_with_and_without_idf(idf_pair: Any, label: str | None) -> None:
    chosen = wrapped(CONDITIONS[label], "must") if label else None
    query = models.SparseVector(indices=[9, 2, 17], values=[1.0, 0.5, 2.0])  # unsorted, as some encoders give it
    ours, theirs = (
        client.query_points(NAME, query=query, using="sparse", limit=200, query_filter=chosen) for client in idf_pair
    )
    assert_same_ranking(ours, theirs, tolerance=2e-3)


def test_a_dense_query_with_offset_threshold_and_vectors(pair: Any) -> None:
    ours, theirs = (
        client.query_points(
            NAME,
            query=QUERIES[1].tolist(),
            using="dense",
            limit=5,
            offset=3,
            score_threshold=0.1,
            with_payload=["doc_id"],
            with_vectors=["dense"],
        )
        for client in pair
    )
    assert_same_ranking(ours, theirs)
    assert ours.points[0].payload == theirs.points[0].payload
    assert np.allclose(ours.points[0].vector["dense"], theirs.points[0].vector["dense"], atol=1e-5)


def test_ties_come_out_by_id_every_time(pair: Any) -> None:
    edge, _ = pair
    dense = POINTS[0].vector["dense"]
    rankings = {
        tuple(str(p.id) for p in edge.query_points(NAME, query=dense, using="dense", limit=11).points) for _ in range(8)
    }
    assert len(rankings) == 1
    assert list(*rankings) == sorted(*rankings)


@pytest.mark.parametrize(
    "options",
    [
        {"query": models.FusionQuery(fusion=models.Fusion.RRF)},
        {"query": models.RrfQuery(rrf=models.Rrf(k=60))},
        {"query": QUERIES[2].tolist(), "prefetch": models.Prefetch(query=QUERIES[1].tolist(), using="dense")},
        {"query": models.OrderByQuery(order_by="doc_id")},
    ],
)
def test_what_only_servers_do_is_refused_by_name(pair: Any, options: dict[str, Any]) -> None:
    edge, _ = pair
    with pytest.raises(NotImplementedError, match="adapter has no"):
        edge.query_points(NAME, using="dense", limit=3, **options)
    with pytest.raises(NotImplementedError, match="adapter has no order_by"):
        edge.scroll(NAME, order_by="doc_id")


def test_a_batch_answers_in_the_order_of_its_requests(pair: Any) -> None:
    requests = [
        models.QueryRequest(query=QUERIES[0].tolist(), using="dense", limit=4, with_payload=True),
        models.QueryRequest(query=QUERIES[1].tolist(), using="dense", limit=2),
        models.QueryRequest(query=models.SparseVector(indices=[4], values=[1.0]), using="sparse", limit=3),
    ]
    ours, theirs = (client.query_batch_points(NAME, requests=requests) for client in pair)
    assert [len(answer.points) for answer in ours] == [4, 2, 3]
    assert_same_ranking(ours[0], theirs[0])
    assert_same_ranking(ours[1], theirs[1])
    assert ours[0].points[0].payload == theirs[0].points[0].payload


def test_retrieve_scroll_facet(pair: Any) -> None:
    edge, _ = pair
    ids = [POINTS[5].id, 4, POINTS[5].id, str(uuid.uuid4())]
    ours, theirs = (client.retrieve(NAME, ids=ids, with_payload=True, with_vectors=True) for client in pair)
    assert {r.id: r.payload for r in ours} == {r.id: r.payload for r in theirs}
    assert ours[0].vector["sparse"].indices == POINTS[5].vector["sparse"].indices
    seen, offset = [], None
    while True:
        page, offset = edge.scroll(NAME, limit=33, offset=offset, with_payload=False)
        seen += [record.id for record in page]
        if offset is None:
            break
    assert len(seen) == len(set(seen)) == N
    assert not page[0].payload
    edge.create_payload_index(NAME, "doc_id", models.PayloadSchemaType.KEYWORD)
    counts = [
        {hit.value: hit.count for hit in client.facet(NAME, "doc_id", limit=99, exact=True).hits} for client in pair
    ]
    assert counts[0] == counts[1] == {f"doc{i}": sum(1 for p in range(N) if p % 6 == i) for i in range(6)}


@pytest.mark.parametrize("clause", ["must", "must_not", "should"])
def test_counting_in_slices(pair: Any, clause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many points are counted a part at a time; each is in one part."""
    monkeypatch.setattr(edge, "COUNTED_AT_ONCE", 30)
    for chosen in (None, wrapped(match("doc_id", "doc3"), clause), wrapped(CONDITIONS["nested and/or/not"], clause)):
        ours, theirs = (client.count(NAME, count_filter=chosen).count for client in pair)
        assert ours == theirs


@pytest.mark.parametrize("pack", [False, True])
def test_deletes_and_payload_changes(tmp_path: Path, pack: bool) -> None:
    with EdgeClient(tmp_path, min_free_mb=1) as edge:
        both = [build(edge), build(QdrantClient(":memory:"))]
        if pack:
            packed(edge)
        for client in both:
            client.delete(NAME, points_selector=[4, POINTS[5].id])
            client.delete(NAME, points_selector=models.PointIdsList(points=[8]))
            client.delete(NAME, points_selector=models.FilterSelector(filter=wrapped(match("doc_id", "doc2"), "must")))
            client.delete(NAME, points_selector=wrapped(match("metadata.ok", True), "must"))
            client.set_payload(NAME, payload={"seen": True}, points=[POINTS[1].id])
            client.set_payload(NAME, payload={"far": 1}, points=wrapped(match("doc_id", "doc3"), "must"))
            client.upsert(
                NAME,
                points=models.Batch(
                    ids=[900, 904],
                    vectors={"dense": [[1.0] * DIM, [0.5] * DIM]},
                    payloads=[{"doc_id": "new"}, {"doc_id": "new"}],
                ),
            )
        states = [{r.id: r.payload for r in client.scroll(NAME, limit=1000)[0]} for client in both]
        assert states[0] == states[1]
        assert states[0][POINTS[1].id]["seen"] is True
        assert edge.get_collection(NAME).points_count == len(states[0])
        if pack:  # what was changed is in memory again
            packed(edge)
            assert states[0] == {r.id: r.payload for r in edge.scroll(NAME, limit=1000)[0]}
            answers = [client.query_points(NAME, query=[1.0] * DIM, using="dense", limit=20) for client in both]
            assert_same_ranking(*answers)


def test_collection_surface(tmp_path: Path) -> None:
    with EdgeClient(tmp_path / "deep" / "root", min_free_mb=1) as edge:
        assert edge.get_collections().collections == []
        assert not edge.collection_exists("one")
        assert not edge.delete_collection("one")
        edge.create_collection(
            "one", vectors_config=models.VectorParams(size=3, distance=models.Distance.DOT), metadata={"made": "here"}
        )
        edge.upsert("one", points=[models.PointStruct(id=1, vector=[1.0, 0.0, 0.0], payload={"a": 1})])
        info = edge.get_collection("one")
        assert info.config.params.vectors.size == 3
        assert info.config.metadata == {"made": "here"}
        edge.update_collection("one", metadata={"more": 2})
        assert edge.collection_metadata("one") == {"made": "here", "more": 2}
        assert edge.query_points("one", query=[2.0, 0.0, 0.0], with_vectors=True).points[0].score == pytest.approx(2.0)
        for unsupported in (edge.client.create_snapshot, edge.client.query_points_groups):
            with pytest.raises(NotImplementedError):
                unsupported("one", **({"group_by": "a"} if "groups" in unsupported.__name__ else {}))
        assert edge.delete_collection("one")
        assert list((tmp_path / "deep" / "root").iterdir()) == []


def test_aliases(tmp_path: Path) -> None:
    """The same names, refusals and deletions as in qdrant-client."""
    config = models.VectorParams(size=2, distance=models.Distance.COSINE)

    def create(name: str, alias: str) -> models.CreateAliasOperation:
        return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))

    def names(client: Any) -> dict[str, str]:
        return {item.alias_name: item.collection_name for item in client.get_aliases().aliases}

    delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="a"))
    rename = models.RenameAliasOperation(rename_alias=models.RenameAlias(old_alias_name="a", new_alias_name="b"))
    edge = EdgeClient(tmp_path / "aliases", min_free_mb=0)
    for client in (QdrantClient(":memory:"), edge):
        for name in ("one", "two"):
            client.create_collection(name, vectors_config=config)
        client.upsert("two", points=[models.PointStruct(id=1, vector=[1.0, 0.0])])
        client.update_collection_aliases([create("one", "a")])
        client.update_collection_aliases([delete, create("two", "a")])
        assert (names(client), client.count("a").count, client.collection_exists("a")) == ({"a": "two"}, 1, True)
        for refused in ([create("one", "two")], [create("three", "c")], [delete, create("a", "c")]):
            with pytest.raises((ValueError, StoreError)):
                client.update_collection_aliases(refused)
        assert names(client) == {"a": "two"}
        assert {item.name for item in client.get_collections().collections} == {"one", "two"}
        client.update_collection_aliases([rename])
        assert names(client) == {"b": "two"}
        assert not client.delete_collection("b")
        assert client.delete_collection("two")
        assert names(client) == {}
        client.close()
