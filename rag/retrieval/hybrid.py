"""HybridRetriever: the hybrid search as a LlamaIndex retriever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, QueryType
from llama_index.core.vector_stores import MetadataFilters

from indexes import Index
from rag.retrieval.hyde import HypothesisWriter
from rag.retrieval.question import bundle_of
from rag.retrieval.searching import HybridSearch, SearchResult
from rag.retrieval.wider import QuestionWriter
from rag.settings import Settings
from rag.ways import AWAITING, BLOCKING, run_now

__all__ = ["HybridRetriever", "SearchResult"]


class HybridRetriever(HybridSearch, BaseRetriever):  # type: ignore[misc]  # callback_manager: None in the one alone
    """``HybridSearch`` as a LlamaIndex retriever.

    Args:
        index, settings, reranker, write_hypothesis, write_questions, filters, node_postprocessors: as in
            ``HybridSearch``.
        limit: maximum number of nodes that ``retrieve`` returns; None: all candidates.
        callback_manager: LlamaIndex's; default: that of LlamaIndex's ``Settings``, or an empty one.
    """

    callback_manager: CallbackManager

    def __init__(
        self,
        index: Index,
        *,
        settings: Settings,
        reranker: Any = None,
        write_hypothesis: HypothesisWriter | None = None,
        write_questions: QuestionWriter | None = None,
        filters: MetadataFilters | None = None,
        node_postprocessors: Sequence[Any] = (),
        limit: int | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        BaseRetriever.__init__(self, callback_manager=callback_manager)
        HybridSearch.__init__(
            self,
            index,
            settings=settings,
            reranker=reranker,
            write_hypothesis=write_hypothesis,
            write_questions=write_questions,
            filters=filters,
            node_postprocessors=node_postprocessors,
            callback_manager=self.callback_manager,
        )
        self.limit = limit

    def retrieve(self, str_or_query_bundle: QueryType) -> list[NodeWithScore]:
        """Return the best nodes, as LlamaIndex expects; ``search`` returns windows and trace as well."""
        return super().retrieve(bundle_of(str_or_query_bundle))

    async def aretrieve(self, str_or_query_bundle: QueryType) -> list[NodeWithScore]:
        """Retrieve without blocking the event loop."""
        return await super().aretrieve(bundle_of(str_or_query_bundle))

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(run_now(self.search_by(BLOCKING, query_bundle, reported=True)))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = await self.search_by(AWAITING, query_bundle, reported=True)
        return await AWAITING.compute(self._nodes, found)

    def _nodes(self, found: SearchResult) -> list[NodeWithScore]:
        shown = found.candidates[: self.limit]
        found.windows.fetch([candidate.id for candidate in shown])
        return [candidate.to_node() for candidate in shown]
