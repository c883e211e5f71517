"""HybridRetriever: question -> both legs -> fused -> windows -> reranked candidates, as a LlamaIndex retriever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores import MetadataFilters
from numpy.typing import NDArray

from indexes import Index
from indexes.encoders.base import SparseVector
from indexes.errors import RerankerError, must_be
from indexes.store.metadata_keys import unknown_keys
from indexes.text.characters import valid
from rag import instrumentation
from rag.instrumentation import dispatcher, embedded
from rag.retrieval.candidate import Candidate
from rag.retrieval.diversity import diversified
from rag.retrieval.hyde import HypothesisWriter, asked_vector, looks_weak, widen
from rag.retrieval.rerank import postprocess, rerank
from rag.retrieval.windows import Windows, spread
from rag.settings import Settings
from rag.trace import Trace


@dataclass(slots=True)
class SearchResult:
    """What one question found.

    Args:
        query: the question.
        candidates: best first, all that either leg found; ``window`` is the text the answer would read.
        windows: candidate id -> the sentences of its window, fetched when they are read: while the index is open.
        trace: what each stage did.
        dense: the question's own vector, float32 (dim,), whatever HyDE made of it for the search.
    """

    query: str
    candidates: list[Candidate]
    windows: Windows
    trace: Trace
    dense: NDArray[np.float32]


class HybridRetriever(BaseRetriever):
    """Dense and sparse search over one collection, joined in Python so that equal scores always come in one order.

    Args:
        index: an open Index.
        settings: ``retrieval``, ``hyde`` and ``rerank`` are read.
        reranker: any LlamaIndex node postprocessor; ours (``rag.rerankers``) also keep the raw score.
        write_hypothesis: writes HyDE's documents; needed where ``settings.hyde.mode`` is not "off".
        node_postprocessors: further ones, after the reranker; their order is kept.
        limit: most nodes that ``retrieve`` returns.
        callback_manager: LlamaIndex's; default: an empty one, or that of its ``Settings``.
    """

    def __init__(
        self,
        index: Index,
        *,
        settings: Settings,
        reranker: Any = None,
        write_hypothesis: HypothesisWriter | None = None,
        filters: MetadataFilters | None = None,
        node_postprocessors: Sequence[Any] = (),
        limit: int | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager=callback_manager)
        self.node_postprocessors = list(node_postprocessors)
        self.limit = limit
        self.notes: list[str] = []  # of how it was built: they stand in every trace
        self.index = index
        self.settings = settings
        self.reranker = reranker
        self.filters = filters
        self._write_hypothesis = write_hypothesis

    @dispatcher.span
    def search(
        self,
        question: str | QueryBundle,
        filters: MetadataFilters | None = None,
        *,
        trace: Trace | None = None,
        reported: bool = False,
    ) -> SearchResult:
        """Run every stage for one question and return all that is known of it.

        Args:
            filters: LlamaIndex metadata filters, applied to both legs; default: those of the constructor.
            trace: one to write into (the engine's); default: a new one.
            reported: whoever calls it reports the retrieval to LlamaIndex's instrumentation.
        """
        must_be((str, QueryBundle), "the question", question, "give a text or a QueryBundle")
        bundle = question if isinstance(question, QueryBundle) else QueryBundle(question)
        question, settings, filters = valid(bundle.query_str), self.settings, filters or self.filters
        trace = trace or Trace(question)
        with instrumentation.retrieval(self.callback_manager, bundle, silent=reported) as ended:
            for note in (*self.index.notes, *self.notes):
                trace.note(note, "settings")
            if isinstance(filters, MetadataFilters):
                for note in unknown_keys(self.index.store, filters):
                    trace.note(note)
            with trace.stage("encode"):
                encoded = embedded(self.callback_manager, self.index.encoder, [question], query=True)
            if encoded.truncated:
                trace.note(
                    f"the question is longer than the {self.index.encoder.max_tokens} tokens the encoder reads, "
                    "and its end was not searched for",
                    "question_cut",
                )
            dense = own = encoded.dense[0]
            sparse = encoded.sparse[0] if encoded.sparse is not None else None
            if sparse is None and (why := self.index.store.one_leg):
                trace.note(why, "one_leg")
            if sparse is None and settings.retrieval.fusion == "sparse":
                trace.note("the collection has no sparse vectors, so the dense leg alone was searched", "one_leg")
            hyde = partial(
                widen,
                question,
                dense,
                encode=self._encode,
                write=self._write_hypothesis,
                settings=settings.hyde,
                trace=trace,
            )
            replaced = asked_vector(bundle, question, dense, encode=self._encode, trace=trace)
            if replaced is not None:
                dense = replaced
            elif settings.hyde.mode == "on":
                dense = hyde()
            candidates = self._found(dense, sparse, filters, trace)
            if settings.hyde.mode == "auto" and replaced is None:
                both = settings.retrieval.fusion not in ("dense", "sparse") and sparse is not None
                reason = looks_weak(candidates, weak_below=settings.hyde.weak_below, both_legs=both)
                if reason:
                    trace.note(f"HyDE was used, since {reason}", "hyde")
                    widened = hyde()
                    if widened is not dense:
                        candidates = self._found(widened, sparse, filters, trace)
            with trace.stage("windows"):
                windows = Windows(self.index.store, candidates, settings.retrieval.window)
                for candidate in candidates:
                    candidate.windows = windows
                kept = spread(candidates, settings.retrieval.per_document)[: settings.rerank.depth]
                if self.reranker is not None and settings.rerank.read == "window":
                    windows.fetch([candidate.id for candidate in kept])
                elif self.node_postprocessors:
                    windows.fetch([candidate.id for candidate in candidates])
            if self.reranker is not None and candidates:
                with trace.stage("rerank"):
                    try:
                        candidates = rerank(
                            self.reranker, question, kept, settings.rerank, trace, self.callback_manager
                        )
                    except RerankerError as error:
                        trace.note(f"the passages are in the order of the search, since {error}", "rerank_failed")
            if settings.retrieval.diversity:
                with trace.stage("diversify"):
                    vectors = self.index.store.dense_vectors([candidate.id for candidate in candidates])
                    candidates = diversified(candidates, vectors, settings.retrieval.diversity)
            for postprocessor in self.node_postprocessors:
                with trace.stage("postprocess"):
                    candidates = postprocess(postprocessor, question, candidates, trace)
            trace.candidates = [candidate.to_trace() for candidate in candidates]
            ended(lambda: [candidate.to_node() for candidate in candidates])
        return SearchResult(question, candidates, windows, trace, own)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return embedded(self.callback_manager, self.index.encoder, texts, query=False).dense

    def _found(
        self,
        dense: NDArray[np.float32],
        sparse: SparseVector | None,
        filters: MetadataFilters | None,
        trace: Trace,
    ) -> list[Candidate]:
        retrieval = self.settings.retrieval
        hits = self.index.store.hybrid_search(
            dense, sparse, limit=retrieval.top_k, filters=filters, stage=trace.stage, **retrieval.fusing
        )
        return [Candidate.of_hit(hit) for hit in hits]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self.search(query_bundle, reported=True)
        shown = found.candidates[: self.limit]
        found.windows.fetch([candidate.id for candidate in shown])
        return [candidate.to_node() for candidate in shown]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        # The encoder and the embedded engine compute; a thread keeps the event loop free meanwhile.
        return await asyncio.to_thread(self._retrieve, query_bundle)
