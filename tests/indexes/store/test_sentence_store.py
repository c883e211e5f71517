"""The collection as a LlamaIndex vector store, and the stock QdrantVectorStore over our client."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.schema import Document, MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from indexes.errors import CollectionNotFoundError, StoreError
from indexes.nodes.record import SentenceRecord, point_id
from indexes.settings.sections import StoreSettings
from indexes.store.edge.client import EdgeClient
from indexes.store.sentence_store import SentenceVectorStore
from tests.indexes.store.store_fixtures import FakeEncoder, on

TEXTS = {
    "rain": ["Rain fell on the harbour all night.", "The boats stayed in.", "In the morning the sky cleared."],
    "猴": ["石猴从仙石中跳出。", "他拜师学艺，得名悟空。", "后来他大闹天宫。"],
    "bread": ["Knead the dough for ten minutes.", "Let it rest until it doubles."],
}


def all_records() -> list[SentenceRecord]:
    return [
        SentenceRecord(doc_id=doc, position=i, text=text, metadata={"source": f"{doc}.md", "page": i})
        for doc, texts in TEXTS.items()
        for i, text in enumerate(texts)
    ]


@pytest.fixture
def store(engine: Any, encoder: FakeEncoder) -> SentenceVectorStore:
    records = all_records()
    encoded = encoder.encode_documents([record.text for record in records])
    on(engine, "notes").ensure(encoder.fingerprint, idf=False, settings=StoreSettings(min_free_mb=1))
    on(engine, "notes").put(records, encoded.dense, encoded.sparse)
    return SentenceVectorStore(client=engine, collection_name="notes", encoder=encoder)


def ask(store: SentenceVectorStore, text: str, mode: str = "default", **options: Any) -> Any:
    encoded = FakeEncoder().encode_queries([text])
    return store.query(
        VectorStoreQuery(
            query_embedding=encoded.dense[0].tolist(),
            query_str=text,
            mode=VectorStoreQueryMode(mode),
            similarity_top_k=options.pop("similarity_top_k", 3),
            **options,
        )
    )


@pytest.mark.parametrize("mode", ["default", "sparse", "hybrid"])
def test_query_modes(store: SentenceVectorStore, mode: str) -> None:
    for question, doc in (("dough rest minutes", "bread"), ("悟空拜师", "猴"), ("harbour rain", "rain")):
        result = ask(store, question, mode)
        assert result.nodes[0].ref_doc_id == doc
        assert result.ids[0] == result.nodes[0].node_id == point_id(doc, result.nodes[0].metadata["position"])
        assert result.similarities == sorted(result.similarities, reverse=True)
        assert len(result.nodes) <= 3
        shown = result.nodes[0].get_content(MetadataMode.LLM)
        assert f"source: {doc}.md" in shown and "position" not in shown


def test_alpha_weighs_the_legs(store: SentenceVectorStore) -> None:
    dense = ask(store, "the rain", "default").ids
    sparse = ask(store, "the rain", "sparse").ids
    assert ask(store, "the rain", "hybrid", alpha=1.0).ids[:1] == dense[:1]
    assert ask(store, "the rain", "hybrid", alpha=0.0).ids[:1] == sparse[:1]
    assert len(ask(store, "the rain", "hybrid", sparse_top_k=2, hybrid_top_k=1).ids) == 1
    assert all(0 <= score <= 1 for score in ask(store, "the rain", "hybrid").similarities)
    with pytest.raises(StoreError, match="alpha is 2"):
        ask(store, "the rain", "hybrid", alpha=2.0)


def test_hybrid_scores_every_candidate_by_both_legs(store: SentenceVectorStore) -> None:
    """A sentence that only the sparse leg kept has a cosine all the same; with score_both off it counts as none."""
    options = {"similarity_top_k": 1, "sparse_top_k": 3, "hybrid_top_k": 4, "alpha": 0.5}
    both = ask(store, "the rain", "hybrid", **options)
    store.score_both = False
    alone = ask(store, "the rain", "hybrid", **options)
    store.score_both = True
    assert set(both.ids) == set(alone.ids)
    assert both.similarities != alone.similarities
    encoded = FakeEncoder().encode_queries(["the rain"])
    fused = on(store.client, "notes").hybrid_search(
        encoded.dense[0], encoded.sparse[0], limit=1, sparse_limit=3, dense_weight=0.5, sparse_weight=0.5
    )
    assert list(zip(both.ids, both.similarities, strict=True)) == [(hit.id, hit.score) for hit in fused]
    assert all(hit.dense_score is not None for hit in fused)


def test_filters_doc_ids_node_ids(store: SentenceVectorStore) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key="page", value=1, operator=FilterOperator.GTE)])
    for mode in ("default", "sparse", "hybrid"):
        assert {node.metadata["page"] for node in ask(store, "the sky 他", mode, filters=filters).nodes} <= {1, 2}
    assert {n.ref_doc_id for n in ask(store, "rain", doc_ids=["bread", "猴"], similarity_top_k=9).nodes} == {
        "bread",
        "猴",
    }
    assert ask(store, "rain", node_ids=[point_id("猴", 2)]).ids == [point_id("猴", 2)]
    assert ask(store, "rain", node_ids=[point_id("猴", 2)], doc_ids=["rain"]).ids == []


def test_what_cannot_be_asked(store: SentenceVectorStore, engine: Any) -> None:
    with pytest.raises(StoreError, match="'svm' is not supported"):
        ask(store, "rain", "svm")
    blind = SentenceVectorStore(client=engine, collection_name="notes")
    assert ask(blind, "rain").ids
    with pytest.raises(StoreError, match="needs the question's text and an encoder"):
        ask(blind, "rain", "hybrid")
    with pytest.raises(StoreError, match="needs an embedding"):
        blind.query(VectorStoreQuery(query_str="rain"))
    with pytest.raises(CollectionNotFoundError):
        SentenceVectorStore(client=engine, collection_name="other")
    by_text = store.query(VectorStoreQuery(query_str="harbour rain", similarity_top_k=1))
    assert by_text.ids == [point_id("rain", 0)]


def test_get_nodes(store: SentenceVectorStore) -> None:
    assert [node.text for node in store.get_nodes(node_ids=[point_id("rain", 1), point_id("rain", 0)])] == TEXTS[
        "rain"
    ][:2]
    chinese = MetadataFilters(filters=[MetadataFilter(key="doc_id", value="猴")])
    assert [node.text for node in store.get_nodes(filters=chinese)] == TEXTS["猴"]
    assert len(store.get_nodes()) == 8
    assert store.get_nodes(node_ids=[]) == []
    assert store.get_nodes(node_ids=[point_id("rain", 1)], filters=chinese) == []


def with_embedding(text: str, doc: str | None, **metadata: Any) -> TextNode:
    node = TextNode(text=text, metadata=metadata)
    if doc is not None:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=doc)
    node.embedding = FakeEncoder().encode_documents([text]).dense[0].tolist()
    return node


def test_adding_nodes(store: SentenceVectorStore, engine: Any) -> None:
    nodes = [with_embedding("Snow lay on the roof.", "snow"), with_embedding("It melted by noon.", "snow", page=4)]
    assert store.add(nodes) == [point_id("snow", 0), point_id("snow", 1)]
    assert store.add([with_embedding("Then came spring.", "snow")]) == [point_id("snow", 2)]
    alone = with_embedding("A node without a document.", None)
    assert store.add([alone]) == [point_id(alone.node_id, 0)]
    assert store.add([]) == []
    # The sparse vector sees the neighbours added with it; the dense one is the sentence's own.
    assert {"snow"} >= {n.ref_doc_id for n in ask(store, "melted noon", "sparse", similarity_top_k=2).nodes}
    assert len(ask(store, "melted noon", "sparse", similarity_top_k=9).ids) == 2
    assert ask(store, "melted by noon").ids[0] == point_id("snow", 1)
    # A node that came from a record goes back to its own place.
    placed = SentenceRecord("rain", 1, "The boats sailed.").to_node()
    placed.embedding = nodes[0].embedding
    assert store.add([placed]) == [point_id("rain", 1)]
    assert on(engine, "notes").count("rain") == 3
    assert store.get_nodes(node_ids=[point_id("rain", 1)])[0].text == "The boats sailed."
    with pytest.raises(StoreError, match="there is no encoder"):
        SentenceVectorStore(client=engine, collection_name="notes").add(nodes)


def test_deleting_and_clearing(store: SentenceVectorStore) -> None:
    store.delete("rain")
    assert len(store.get_nodes()) == 5
    store.delete_nodes(node_ids=[point_id("猴", 0)])
    store.delete_nodes(filters=MetadataFilters(filters=[MetadataFilter(key="page", value=1)]))
    assert [(n.ref_doc_id, n.metadata["position"]) for n in store.get_nodes()] == [("bread", 0), ("猴", 2)]
    store.delete_nodes()
    store.delete_nodes(node_ids=[])
    assert len(store.get_nodes()) == 2
    store.clear()
    assert store.get_nodes() == []
    store.add([with_embedding("Snow.", "snow")])


def test_async_twins(store: SentenceVectorStore) -> None:
    async def everything() -> None:
        await store.async_add([with_embedding("Snow lay here.", "snow")])
        found = await store.aquery(VectorStoreQuery(query_str="snow lay", similarity_top_k=1))
        assert found.ids == [point_id("snow", 0)]
        assert len(await store.aget_nodes(node_ids=[point_id("snow", 0)])) == 1
        await store.adelete("snow")
        await store.adelete_nodes(node_ids=[point_id("rain", 0)])
        assert len(await store.aget_nodes()) == 7
        await store.aclear()
        assert await store.aget_nodes() == []

    asyncio.run(everything())


class FakeEmbedding(BaseEmbedding):
    """FakeEncoder's dense side for LlamaIndex."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return FakeEncoder().encode_documents([text]).dense[0].tolist()

    _get_query_embedding = _get_text_embedding

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def test_a_stock_vector_store_index_over_it(store: SentenceVectorStore) -> None:
    index = VectorStoreIndex.from_vector_store(store, embed_model=FakeEmbedding())
    for mode in ("default", "sparse", "hybrid"):
        retriever = index.as_retriever(similarity_top_k=2, sparse_top_k=2, vector_store_query_mode=mode)
        hits = retriever.retrieve("knead the dough")
        assert hits[0].node.ref_doc_id == "bread" and hits[0].score is not None
        assert [h.node.node_id for h in asyncio.run(retriever.aretrieve("knead the dough"))] == [
            h.node.node_id for h in hits
        ]
    answer = index.as_query_engine(llm=MockLLM(), similarity_top_k=2).query("石猴从哪里来")
    assert "石猴" in str(answer)
    assert answer.source_nodes[0].node.ref_doc_id == "猴"
    index.insert_nodes([TextNode(text="Thunder rolled over the harbour.", id_="t")])
    assert index.as_retriever(similarity_top_k=1).retrieve("thunder rolled")[0].text.startswith("Thunder")
    index.delete_ref_doc("bread")
    assert {h.node.ref_doc_id for h in index.as_retriever(similarity_top_k=20).retrieve("dough")}.isdisjoint({"bread"})


# ---- the stock store over our client ----


def sparse_fn(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    """As users write it: unsorted."""
    rows = [Counter(zlib.crc32(w.encode()) for w in re.findall(r"[a-z]+|[一-鿿]", text.lower())) for text in texts]
    return [list(row) for row in rows], [[float(v) for v in row.values()] for row in rows]


@pytest.mark.parametrize("hybrid", [False, True])
def test_the_stock_qdrant_store_runs_unchanged_on_the_embedded_engine(edge: EdgeClient, hybrid: bool) -> None:
    stock = pytest.importorskip("llama_index.vector_stores.qdrant")

    def make(client: EdgeClient) -> Any:
        options = {"enable_hybrid": True, "sparse_doc_fn": sparse_fn, "sparse_query_fn": sparse_fn} if hybrid else {}
        return stock.QdrantVectorStore("stock", client=client, **options)

    documents = [
        Document(text=text, id_=f"{doc}-{i}", metadata={"topic": doc, "page": i})
        for doc, texts in TEXTS.items()
        for i, text in enumerate(texts)
    ]
    index = VectorStoreIndex.from_documents(
        documents, storage_context=StorageContext.from_defaults(vector_store=make(edge)), embed_model=FakeEmbedding()
    )
    mode = "hybrid" if hybrid else "default"

    def top(index: VectorStoreIndex, question: str, **options: Any) -> list[str]:
        retriever = index.as_retriever(similarity_top_k=2, vector_store_query_mode=mode, **options)
        return [hit.node.metadata["topic"] for hit in retriever.retrieve(question)]

    assert top(index, "knead the dough")[0] == "bread"
    filters = MetadataFilters(filters=[MetadataFilter(key="topic", value="rain")])
    assert set(top(index, "knead the dough", filters=filters)) == {"rain"}
    edge.close()
    with EdgeClient(edge.root, min_free_mb=1) as reopened:
        index = VectorStoreIndex.from_vector_store(make(reopened), embed_model=FakeEmbedding())
        assert top(index, "石猴从仙石中跳出")[0] == "猴"
        index.delete_ref_doc("bread-0")
        assert reopened.count("stock").count == 7
        store = index.vector_store
        assert len(store.get_nodes(filters=filters)) == 3
        store.clear()
        assert not reopened.collection_exists("stock")


@pytest.mark.parametrize("engine", ["edge"], indirect=True)
def test_a_stock_store_reads_what_we_wrote(store: SentenceVectorStore, engine: Any) -> None:
    """Top-level ``text`` and ``metadata`` are what LlamaIndex readers of a collection look for."""
    stock = pytest.importorskip("llama_index.vector_stores.qdrant")
    theirs = stock.QdrantVectorStore("notes", client=engine, dense_vector_name="dense")
    embedding = FakeEncoder().encode_queries(["knead the dough"]).dense[0].tolist()
    found = theirs.query(VectorStoreQuery(query_embedding=embedding, similarity_top_k=1))
    assert found.nodes[0].text == TEXTS["bread"][0]
    assert found.ids == [point_id("bread", 0)]
    assert np.isfinite(found.similarities).all()
