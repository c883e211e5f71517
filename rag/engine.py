"""RagQueryEngine: question to cited answer as a LlamaIndex query engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import LLM
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.prompts.mixin import PromptDictType, PromptMixinType
from llama_index.core.schema import QueryBundle, QueryType

from rag import instrumentation
from rag.answer.prompt.templates import QA
from rag.answer.source_nodes import passage_node
from rag.asking import AnswerEngine, AnswerStream
from rag.retrieval.candidate import Passage
from rag.retrieval.hybrid import HybridRetriever
from rag.retrieval.question import bundle_of
from rag.settings import Settings
from rag.ways import BLOCKING, Way, run_now

__all__ = ["AnswerStream", "RagQueryEngine"]


class RagQueryEngine(AnswerEngine, BaseQueryEngine):  # type: ignore[misc]  # callback_manager: None in the one alone
    """Answer questions with numbered citations, or report that the documents hold no answer.

    ``response.metadata`` holds ``status`` ("answered", "extractive", "not_found", "direct"), ``citations``
    (number, source, heading, page, text, matched, doc_id, sentence_id, start, end), ``sentences`` (each with its
    support), ``notes`` (what did not go as configured, and why), ``note_kinds`` (a fixed word for each) and ``trace``.
    ``response.source_nodes`` are the passages.

    Args:
        retriever: finds the candidates.
        settings: ``retrieval``, ``answer`` and ``llm`` are used.
        llm: any LlamaIndex LLM, or a function that loads one at first use; None answers with the documents' own
            sentences.
        text_qa_template: a LlamaIndex prompt of ``context_str`` and ``query_str``, for questions in both languages.
        streaming: whether ``query`` returns a LlamaIndex StreamingResponse.
        callback_manager: LlamaIndex's; default: the retriever's.

    Raises:
        SettingsError: ``answer.abstain_below`` was calibrated for other models.
    """

    callback_manager: CallbackManager

    def __init__(
        self,
        retriever: HybridRetriever,
        *,
        settings: Settings,
        llm: LLM | Callable[[], LLM] | None = None,
        streaming: bool = False,
        text_qa_template: BasePromptTemplate | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        manager = callback_manager or retriever.callback_manager
        BaseQueryEngine.__init__(self, manager)
        AnswerEngine.__init__(self, retriever, settings=settings, llm=llm, callback_manager=self.callback_manager)
        self.streaming = streaming
        if text_qa_template is not None:
            self.steps.prompts.update({QA: text_qa_template})

    def reply(self, text: str, passages: list[Passage], metadata: dict[str, Any]) -> Response:
        """Build LlamaIndex's Response."""
        nodes = [passage_node(passage) for passage in passages]
        return Response(response=text, source_nodes=nodes, metadata=metadata)

    # -- LlamaIndex's forms: its base class reports the query ------------------------------------------------------

    def query(self, str_or_query_bundle: QueryType) -> RESPONSE_TYPE:
        """Answer as LlamaIndex expects; return a stream if the engine was built with ``streaming=True``."""
        return super().query(bundle_of(str_or_query_bundle))

    async def aquery(self, str_or_query_bundle: QueryType) -> RESPONSE_TYPE:
        """Answer as ``query`` does, without blocking the event loop."""
        return await super().aquery(bundle_of(str_or_query_bundle))

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return run_now(self._responded(query_bundle, BLOCKING))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return await self._responded(query_bundle, self.awaiting)

    async def _responded(self, bundle: QueryBundle, way: Way) -> RESPONSE_TYPE:
        question, searched = bundle.query_str, _transformed(bundle)
        with instrumentation.query_step(self.callback_manager, question) as ended:
            if not self.streaming:
                return ended(await self._answer(question, None, searched, way))
            stream = await self._stream(question, None, searched, way, reported=True)
            nodes, metadata = stream.source_nodes, stream.metadata
            if way is BLOCKING:
                return ended(StreamingResponse(cast(Any, stream.tokens()), nodes, metadata))
            return ended(AsyncStreamingResponse(cast(Any, stream.atokens()), nodes, metadata))

    # -- the prompts, as LlamaIndex shows and replaces them --------------------------------------------------------

    def _get_prompts(self) -> PromptDictType:
        return self.steps.prompts.as_dict()

    def _update_prompts(self, prompts: PromptDictType) -> None:
        self.steps.prompts.update(prompts)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def _transformed(bundle: QueryBundle) -> QueryBundle | None:
    """Return the bundle if a query transform (HyDE) has added something to search with, else None."""
    return bundle if bundle.custom_embedding_strs or bundle.embedding is not None else None
