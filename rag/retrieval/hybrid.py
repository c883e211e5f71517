"""HybridRetriever: question -> both legs -> fused -> windows -> reranked candidates, as a LlamaIndex retriever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores import MetadataFilters

from indexes import Index
from indexes.encoders.base import SparseVector
from indexes.nodes.record import SentenceRecord, join_records
from indexes.store.filters import to_qdrant_filter
from indexes.store.fusion import fuse
from indexes.store.neighbours import fetch_windows
from indexes.store.search import Hit, Legs, fusable_scores, search_legs
from rag.retrieval.candidate import Candidate
from rag.retrieval.hyde import looks_weak, widened_vector
from rag.settings import RetrievalSettings, Settings
from rag.trace import Trace

Scores = tuple[list[tuple[str, float]], list[tuple[str, float]]]  # (id, score) of the dense and of the sparse leg
HypothesisWriter = Callable[[str, int], list[str]]  # (question, how many) -> hypothetical documents


@dataclass(slots=True)
class SearchResult:
    """What one question found.

    Args:
        query: the question.
        candidates: best first; ``window`` holds the text the answer would read.
        windows: candidate id -> the sentences of its window.
        trace: what each stage did.
    """

    query: str
    candidates: list[Candidate]
    windows: dict[str, list[SentenceRecord]]
    trace: Trace


class HybridRetriever(BaseRetriever):
    """Dense and sparse search over one collection, joined in Python so that equal scores always come in one order.

    Args:
        index: an open Index.
        settings: ``retrieval``, ``hyde`` and ``rerank`` are read.
        reranker: any LlamaIndex node postprocessor; ours (``rag.rerankers``) also keep the raw score.
        write_hypothesis: writes HyDE's documents; needed where ``settings.hyde.mode`` is not "off".
    """

    def __init__(
        self,
        index: Index,
        *,
        settings: Settings,
        reranker: Any = None,
        write_hypothesis: HypothesisWriter | None = None,
        filters: MetadataFilters | None = None,
    ) -> None:
        super().__init__()
        self.index = index
        self.settings = settings
        self.reranker = reranker
        self.filters = filters
        self._write_hypothesis = write_hypothesis

    def search(
        self, question: str, filters: MetadataFilters | None = None, *, trace: Trace | None = None
    ) -> SearchResult:
        """Run every stage for one question and return all that is known of it.

        Args:
            filters: LlamaIndex metadata filters, applied to both legs; default: those of the constructor.
            trace: one to write into (the engine's); default: a new one.
        """
        trace = trace or Trace(question)
        retrieval = self.settings.retrieval
        where = to_qdrant_filter(filters or self.filters) if filters or self.filters else None
        with trace.stage("encode"):
            encoded = self.index.encoder.encode_queries([question])
        if encoded.truncated:
            trace.note(
                f"the question is longer than the {self.index.encoder.max_tokens} tokens the encoder reads, "
                "and its end was not searched for"
            )
        dense = encoded.dense[0]
        sparse = encoded.sparse[0] if encoded.sparse is not None else None
        if self.settings.hyde.mode == "on":
            dense = self._widen(question, dense, trace)
        candidates = self._search_and_fuse(dense, sparse, where, trace)
        if self.settings.hyde.mode == "auto":
            both = retrieval.fusion not in ("dense", "sparse") and sparse is not None
            reason = looks_weak(candidates, weak_below=self.settings.hyde.weak_below, both_legs=both)
            if reason:
                trace.note(f"HyDE was used, since {reason}")
                widened = self._widen(question, dense, trace)
                if widened is not dense:
                    candidates = self._search_and_fuse(widened, sparse, where, trace)
        with trace.stage("windows"):
            windows = fetch_windows(
                self.index.client, self.index.collection, [c.record for c in candidates], retrieval.window
            )
            for candidate in candidates:
                window = windows.get(candidate.id) or [candidate.record]
                candidate.window = join_records(window)
        if self.reranker is not None and candidates:
            with trace.stage("rerank"):
                candidates = self._rerank(question, candidates[: self.settings.rerank.depth], trace)
        trace.candidates = [candidate.to_trace() for candidate in candidates]
        return SearchResult(question, candidates, windows, trace)

    def _search_and_fuse(
        self, dense: np.ndarray, sparse: SparseVector | None, where: Any, trace: Trace
    ) -> list[Candidate]:
        retrieval = self.settings.retrieval
        method = retrieval.fusion
        if sparse is None and method == "sparse":
            trace.note("the collection has no sparse vectors, so the dense leg alone was searched")
        use_sparse = sparse is not None and method != "dense"
        use_dense = method != "sparse" or not use_sparse
        with trace.stage("search"):
            legs = search_legs(
                self.index.client,
                self.index.collection,
                dense=dense if use_dense else None,
                sparse=sparse if use_sparse else None,
                limit=retrieval.top_k,
                filters=where,
            )
            scores = leg_scores(self.index, legs, dense, sparse, retrieval)
        with trace.stage("fuse"):
            fused = fuse_scores(scores, retrieval, both=use_sparse)
            return _candidates(legs, scores, fused[: retrieval.top_k])

    def _widen(self, question: str, dense: np.ndarray, trace: Trace) -> np.ndarray:
        """The dense vector with HyDE's help; unchanged, and noted, where the LLM fails."""
        hyde = self.settings.hyde
        if self._write_hypothesis is None:
            trace.note("HyDE is on, but no LLM is configured, so the search went on without it")
            return dense
        try:
            with trace.stage("hyde"):
                texts = [text for text in self._write_hypothesis(question, hyde.documents) if text.strip()]
        except Exception as error:  # noqa: BLE001 - whatever the LLM raised: the search goes on, and says so
            trace.note(f"HyDE failed and the search went on without it: {error}")
            return dense
        if not texts:
            trace.note("HyDE's LLM wrote nothing, so the search went on without it")
            return dense
        trace.hypothetical.extend(texts)
        with trace.stage("encode"):
            return widened_vector(self.index.encoder, dense, texts, keep_question=hyde.keep_question)

    def _rerank(self, question: str, candidates: list[Candidate], trace: Trace) -> list[Candidate]:
        by_id = {candidate.id: candidate for candidate in candidates}
        read_window = self.settings.rerank.read == "window"
        if hasattr(self.reranker, "score"):
            texts = [(c.window if read_window else None) or c.record.text for c in candidates]
            scores = self.reranker.score(question, texts)
            if scores.truncated:
                trace.note(f"{len(scores.truncated)} of {len(texts)} windows were longer than the reranker reads")
            for candidate, raw, probability in zip(candidates, scores.raw, scores.probability, strict=True):
                candidate.rerank_raw, candidate.rerank_score = float(raw), float(probability)
                candidate.score = candidate.rerank_score
            self._blend(candidates, trace)
            return sorted(candidates, key=lambda c: (-c.order, c.id))
        nodes = [self._as_node(candidate, read_window) for candidate in candidates]
        ordered = self.reranker.postprocess_nodes(nodes, query_bundle=QueryBundle(question))
        kept = []
        for node in ordered:
            candidate = by_id[node.node.node_id]
            candidate.rerank_score = candidate.score = float(node.score or 0.0)
            kept.append(candidate)
        if self._blend(kept, trace):
            kept.sort(key=lambda c: (-c.order, c.id))
        return kept

    def _blend(self, candidates: list[Candidate], trace: Trace) -> bool:
        """Where ``rerank.weight`` is below 1: the weighted mean of both scores is the score (``blend``).

        ``rerank_score`` stays what the model said of each candidate by itself, so that thresholds keep their meaning.
        """
        weight = self.settings.rerank.weight
        if weight >= 1 or not candidates:
            return False
        model = [(c.id, float(c.rerank_score or 0.0) if c.rerank_raw is None else c.rerank_raw) for c in candidates]
        first = [(c.id, float(c.fused_score or 0.0)) for c in candidates]
        blended = blend(model, first, weight=weight, scale=self.settings.rerank.scale)
        for candidate in candidates:
            candidate.blended_score = candidate.score = blended[candidate.id]
        trace.note(f"the order is {weight:g} of the reranker's score and {1 - weight:g} of the fused one")
        return True

    @staticmethod
    def _as_node(candidate: Candidate, read_window: bool) -> NodeWithScore:
        """For a foreign postprocessor, which reads a node's text: the window takes the sentence's place."""
        node = candidate.to_node()
        if read_window and candidate.window and isinstance(node.node, TextNode):
            node.node.set_content(candidate.window)
        return node

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [candidate.to_node() for candidate in self.search(query_bundle.query_str).candidates]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        # The encoder and the embedded engine compute; a thread keeps the event loop free meanwhile.
        return await asyncio.to_thread(self._retrieve, query_bundle)


def blend(
    model: Sequence[tuple[str, float]], first: Sequence[tuple[str, float]], *, weight: float, scale: float | None
) -> dict[str, float]:
    """id -> ``weight`` of the reranker's score and the rest of the fused one.

    Args:
        model, first: (id, score) of the same candidates: the reranker's raw scores and the fused ones. The fused scores
            are stretched to [0, 1] over them.
        scale: the raw scores are divided by it; None: they are stretched as well, however little they differ.
    """
    if scale is None:
        return dict(fuse(model, first, method="minmax", dense_weight=weight, sparse_weight=1 - weight))
    stretched = dict(fuse([], first, method="minmax", dense_weight=0, sparse_weight=1))
    return {name: weight * raw / scale + (1 - weight) * stretched[name] for name, raw in model}


def leg_scores(
    index: Index, legs: Legs, dense: np.ndarray, sparse: SparseVector | None, retrieval: RetrievalSettings
) -> Scores:
    """(id, score) of the dense and of the sparse leg, as the settings want them fused."""
    return fusable_scores(
        index.client,
        index.collection,
        legs,
        dense=dense,
        sparse=sparse,
        method=retrieval.fusion,
        score_both=retrieval.score_both,
    )


def fuse_scores(scores: Scores, retrieval: RetrievalSettings, *, both: bool) -> list[tuple[str, float]]:
    """The fused ranking of both legs, as the settings say; without ``both`` the dense leg's own."""
    return fuse(
        *scores,
        method=retrieval.fusion if both else "dense",
        dense_weight=retrieval.dense_weight,
        sparse_weight=retrieval.sparse_weight,
        rrf_k=retrieval.rrf_k,
    )


def _candidates(legs: Legs, scores: Scores, fused: Sequence[tuple[str, float]]) -> list[Candidate]:
    dense_scores, sparse_scores = dict(scores[0]), dict(scores[1])
    dense = {hit.id: (rank, hit) for rank, hit in enumerate(legs.dense, 1)}
    sparse = {hit.id: (rank, hit) for rank, hit in enumerate(legs.sparse, 1)}
    found = []
    for point_id, score in fused:
        dense_rank, dense_hit = dense.get(point_id, (None, None))
        sparse_rank, sparse_hit = sparse.get(point_id, (None, None))
        hit: Hit | None = dense_hit or sparse_hit
        if hit is None:
            continue
        found.append(
            Candidate(
                SentenceRecord.from_payload(hit.payload),
                score=score,
                fused_score=score,
                dense_rank=dense_rank,
                dense_score=dense_scores.get(point_id),
                sparse_rank=sparse_rank,
                sparse_score=sparse_scores.get(point_id),
            )
        )
    return found
