"""The collection as a LlamaIndex vector store: dense, sparse and hybrid queries, metadata filters, get, add, delete.

``VectorStoreIndex.from_vector_store(store, embed_model=...)`` works with it. It reads and writes the same points as the
rest of RagWright: each sentence once, under an id computed from document and position.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import BaseNode, TextNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from indexes.encoders.base import Encoder, SparseVector
from indexes.encoders.window_pooling import stands_alone
from indexes.errors import StoreError
from indexes.nodes.record import WINDOW_KEYS, SentenceRecord, join_records, link
from indexes.store import models
from indexes.store.client import as_engine
from indexes.store.collection import Collection
from indexes.store.filters import both, to_qdrant_filter
from indexes.store.fusion import Method

PAGE = 1000  # points per scroll
MMR_PREFETCH = 4  # dense hits among which MMR chooses, as a multiple of ``similarity_top_k``


class SentenceVectorStore(BasePydanticVectorStore):
    """A collection built by ``build_index`` (or ``Collection.ensure``) as a LlamaIndex vector store.

    >>> from indexes.encoders.base import Fingerprint
    >>> from indexes.settings.sections import StoreSettings
    >>> from indexes.store.client import open_engine
    >>> settings = StoreSettings(url=":memory:", quantization="none")
    >>> collection = Collection(open_engine(settings), "guide")
    >>> collection.ensure(Fingerprint("demo", "", 2, "mean"), idf=False, settings=settings)
    >>> collection.put([SentenceRecord("a.md", 0, "It rains.")], np.array([[1, 0]], np.float32), None)
    >>> store = SentenceVectorStore(client=collection.engine.client, collection_name="guide")
    >>> store.query(VectorStoreQuery(query_embedding=[1.0, 0.0])).nodes[0].text
    'It rains.'

    Args:
        client: a Qdrant client, or the embedded engine (``index.client``).
        collection_name: an existing collection.
        encoder: computes the sparse vectors of ``query_str`` and of added nodes; without it only dense queries work.
        fusion: fusion method of hybrid queries; the query's ``alpha`` (default 0.5) is the dense weight.
        score_both: with minmax, score each leg's hits in the other leg too (``retrieval.score_both``).
        rrf_k: the constant of RRF.
        sparse_window: sentences on each side that are pooled into an added node's sparse vector (``sparse.window``).
        window: sentences on each side in a returned node's ``metadata["window"]``.
    """

    stores_text: bool = True
    flat_metadata: bool = False
    collection_name: str
    fusion: Method = "minmax"
    score_both: bool = True
    rrf_k: int = 60
    sparse_window: int = 3
    window: int = 3
    _collection: Collection = PrivateAttr()
    _encoder: Encoder | None = PrivateAttr()

    def __init__(self, *, client: Any, collection_name: str, encoder: Encoder | None = None, **options: Any) -> None:
        super().__init__(collection_name=collection_name, **options)
        self._collection = Collection(as_engine(client), collection_name)
        self._encoder = encoder
        self._collection.check()

    @classmethod
    def class_name(cls) -> str:
        return "SentenceVectorStore"

    @property
    def client(self) -> Any:
        return self._collection.engine.client

    # ---- reading ----

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Run a query in mode DEFAULT (dense), SPARSE, HYBRID or MMR.

        MMR chooses among ``mmr_prefetch_k`` dense hits (default: four times ``similarity_top_k``) with
        ``mmr_threshold`` (default: 0.5; 1 is relevance alone). ``sparse_top_k`` and ``hybrid_top_k`` work as in
        LlamaIndex; both default to ``similarity_top_k``.

        Raises:
            StoreError: another mode, or the mode needs a query embedding, text or encoder that is missing.
        """
        if query.mode == VectorStoreQueryMode.MMR:
            return self._mmr(query, **kwargs)
        dense_wanted = query.mode in (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.HYBRID)
        sparse_wanted = query.mode in (VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.HYBRID)
        if not dense_wanted and not sparse_wanted:
            raise StoreError(
                f"query mode {query.mode.value!r} is not supported by this store",
                remedy="use default, sparse, hybrid or mmr",
            )
        top_k = query.similarity_top_k
        sparse_k = (query.sparse_top_k or top_k) if sparse_wanted else 0
        dense = self._dense(query) if dense_wanted else None
        sparse = self._sparse(query) if sparse_wanted else None
        method: Method = "dense" if not sparse_wanted else "sparse" if not dense_wanted else self.fusion
        alpha = query.alpha if query.alpha is not None else 0.5
        if method in ("minmax", "rrf") and not 0 <= alpha <= 1:
            raise StoreError(f"alpha is {alpha}", remedy="give the dense leg's weight, 0 to 1")
        found = self._collection.hybrid_search(
            dense,
            sparse,
            limit=top_k,
            sparse_limit=sparse_k,
            filters=self._filter(query),
            method=method,
            dense_weight=alpha,
            sparse_weight=1 - alpha,
            rrf_k=self.rrf_k,
            score_both=self.score_both,
        )
        kept = {"dense": top_k, "sparse": sparse_k}.get(method, query.hybrid_top_k or top_k)
        best = found[:kept]
        return VectorStoreQueryResult(
            nodes=self._windowed([SentenceRecord.from_payload(hit.payload) for hit in best]),
            similarities=[hit.score for hit in best],
            ids=[hit.id for hit in best],
        )

    def _mmr(
        self,
        query: VectorStoreQuery,
        mmr_threshold: float | None = None,
        mmr_prefetch_k: int | None = None,
        **kwargs: Any,
    ) -> VectorStoreQueryResult:
        top_k = query.similarity_top_k
        dense = self._dense(query)
        prefetch = max(top_k, mmr_prefetch_k or MMR_PREFETCH * top_k)
        hits = self._collection.hybrid_search(dense, None, limit=prefetch, filters=self._filter(query))
        vectors = self._collection.dense_vectors([hit.id for hit in hits])
        threshold = mmr_threshold if mmr_threshold is not None else query.mmr_threshold
        scores, chosen = get_top_k_mmr_embeddings(
            dense.tolist(),
            [vectors[hit.id].tolist() for hit in hits],
            similarity_top_k=top_k,
            embedding_ids=[hit.id for hit in hits],
            mmr_threshold=threshold,
        )
        found = {hit.id: SentenceRecord.from_payload(hit.payload) for hit in hits}
        return VectorStoreQueryResult(
            nodes=self._windowed([found[identity] for identity in chosen]), similarities=scores, ids=chosen
        )

    def _windowed(self, records: list[SentenceRecord]) -> list[TextNode]:
        """Return nodes with ``window`` and ``original_text``, for LlamaIndex's MetadataReplacementPostProcessor."""
        windows = self._collection.windows(records, self.window)
        nodes = [record.to_node() for record in records]
        for record, node in zip(records, nodes, strict=True):
            node.metadata.update(window=join_records(windows[record.id]), original_text=record.text)
            link(node, record, windows[record.id])
            node.excluded_embed_metadata_keys += WINDOW_KEYS
            node.excluded_llm_metadata_keys += WINDOW_KEYS
        return nodes

    def _dense(self, query: VectorStoreQuery) -> np.ndarray[Any, Any]:
        if query.query_embedding is not None:
            return np.asarray(query.query_embedding, dtype=np.float32)
        if self._encoder is None or query.query_str is None:
            raise StoreError(
                f"a {query.mode.value} query needs an embedding, and none was given",
                remedy="set query_embedding, or query_str on a store that has an encoder",
            )
        return self._encoder.encode_queries([query.query_str]).dense[0]

    def _sparse(self, query: VectorStoreQuery) -> SparseVector:
        if self._encoder is None or query.query_str is None:
            raise StoreError(
                f"a {query.mode.value} query needs the question's text and an encoder",
                remedy="set query_str, and build the store with SentenceVectorStore(..., encoder=encoder)",
            )
        encoded = self._encoder.encode_queries([query.query_str])
        if encoded.sparse is None or not self._collection.has_sparse():
            raise StoreError(
                f"collection {self.collection_name!r} has no lexical leg, so a {query.mode.value} query cannot run",
                remedy="query in mode default, or ingest again with sparse.kind = 'auto'",
            )
        return encoded.sparse[0]

    def _filter(self, query: VectorStoreQuery) -> models.Filter | None:
        return both(
            to_qdrant_filter(query.filters),
            models.Filter(must=[models.FieldCondition(key="doc_id", match=models.MatchAny(any=query.doc_ids))])
            if query.doc_ids
            else None,
            _identities(query.node_ids) if query.node_ids else None,
        )

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return nodes by ids, by filters, by both (the intersection), or all; ordered by document and position."""
        chosen = both(to_qdrant_filter(filters), _identities(node_ids) if node_ids is not None else None)
        if node_ids is not None and not node_ids:
            return []
        pages = self._collection.pages(PAGE, chosen)
        records = [SentenceRecord.from_payload(payload) for page in pages for _, payload in page]
        records.sort(key=lambda record: (record.doc_id, record.position))
        return [record.to_node() for record in records]

    # ---- writing ----

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Store nodes that have embeddings and return their ids.

        A node without a position gets the next free one of its document. Sparse vectors are computed here with the
        encoder and pooled over the nodes of this call; ``build_index`` computes them in the pass for the dense ones.
        """
        if not nodes:
            return []
        records = self._records(nodes)
        dense = np.asarray([node.get_embedding() for node in nodes], dtype=np.float32)
        sparse: list[SparseVector] | None = None
        if self._collection.has_sparse():
            if self._encoder is None or self._encoder.lexical is None:
                raise StoreError(
                    f"collection {self.collection_name!r} stores a lexical leg, and there is no encoder to compute it",
                    remedy="build the store with SentenceVectorStore(..., encoder=encoder)",
                )
            encoded = self._encoder.encode_documents([record.text for record in records])
            sparse = self._pooled(records, encoded.sparse or [])
        self._collection.put(records, dense, sparse)
        self._collection.flush()
        return [record.id for record in records]

    def _records(self, nodes: Sequence[BaseNode]) -> list[SentenceRecord]:
        free: dict[str, int] = {}
        records: list[SentenceRecord] = []
        for node in nodes:
            if not isinstance(node, TextNode):
                raise StoreError(
                    f"node {node.node_id} is a {type(node).__name__}, but this store holds text",
                    remedy="split documents into TextNodes first",
                )
            if "position" not in node.metadata:
                doc_id = node.ref_doc_id or node.node_id
                if doc_id not in free:
                    free[doc_id] = self._collection.count(doc_id)
                position = free[doc_id]
                free[doc_id] += 1
                records.append(SentenceRecord.from_node(node, position))
            else:
                records.append(SentenceRecord.from_node(node))
        return records

    def _pooled(self, records: Sequence[SentenceRecord], sparse: Sequence[SparseVector]) -> list[SparseVector]:
        """Pool each record's sparse vector over its window, within the given records and its section."""
        assert self._encoder is not None and self._encoder.lexical is not None  # noqa: S101 - checked by add
        lexical = self._encoder.lexical
        place = {(record.doc_id, record.section, record.position): i for i, record in enumerate(records)}
        width = self.sparse_window
        pooled = []
        for record in records:
            reach = 0 if stands_alone(record) else width
            around = range(record.position - reach, record.position + reach + 1)
            found = [i for p in around if (i := place.get((record.doc_id, record.section, p))) is not None]
            weights = [1.0 if records[i] is record else lexical.neighbours for i in found]
            pooled.append(lexical.pool([sparse[i] for i in found], weights))
        return pooled

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete a document's sentences."""
        self._collection.delete_document(ref_doc_id)
        self._collection.flush()

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Delete nodes by ids, by filters, or by both (the intersection). With neither, nothing is deleted."""
        chosen = both(to_qdrant_filter(filters), _identities(node_ids) if node_ids is not None else None)
        if chosen is None or node_ids == []:
            return
        self._collection.delete_where(chosen)
        self._collection.flush()

    def clear(self) -> None:
        """Delete all sentences; the collection and its fingerprint stay."""
        self._collection.delete_where(models.Filter())
        self._collection.flush()

    # ---- the same, off the event loop ----

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        return await asyncio.to_thread(self.query, query, **kwargs)

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    async def aclear(self) -> None:
        await asyncio.to_thread(self.clear)


def _identities(node_ids: list[str]) -> models.Filter:
    ids: list[Any] = list(node_ids)
    return models.Filter(must=[models.HasIdCondition(has_id=ids)])
