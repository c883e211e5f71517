"""The second journey, assembled: question -> retrieval -> passages -> prompt -> answer with checked citations.

``RagQueryEngine`` is a LlamaIndex query engine. Its sync, async and streaming forms share ``answer_steps``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.llms import LLM
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.prompts.mixin import PromptDictType, PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores import MetadataFilters

from rag.answer.check.repetition import RESTART, RepetitionGuard
from rag.answer.prompt.templates import QA
from rag.answer.refusal.calibration import check_calibration
from rag.answer_steps import AnswerSteps, passage_node
from rag.llms import guarded
from rag.retrieval.candidate import Passage
from rag.retrieval.hybrid import HybridRetriever
from rag.settings import Settings

SENTENCE_ENDS = '.!?。！？；;:：\n 1234567890[【(（"”»'  # a piece with one may have ended a sentence or begun the next
PIECEMEAL = ("compact",)


class RagQueryEngine(BaseQueryEngine):
    """Answers with numbered citations, or says honestly that the documents hold no answer.

    ``response.metadata`` holds ``status`` ("answered", "extractive", "not_found", "direct"), ``citations``
    (number, source, heading, page, text, matched, doc_id, sentence_id, start, end), ``sentences`` (each with its
    support), ``notes`` (every degradation and why), ``note_kinds`` (the fixed word of each) and ``trace``.
    ``response.source_nodes`` are the passages.

    Args:
        retriever: finds the candidates.
        settings: ``retrieval``, ``answer`` and ``llm`` are read.
        llm: any LlamaIndex LLM; None answers with the documents' own sentences.
        text_qa_template: a LlamaIndex prompt of ``context_str`` and ``query_str``, for questions in both languages.
        streaming: ``query`` returns a LlamaIndex StreamingResponse.

    Raises:
        SettingsError: ``answer.abstain_below`` was calibrated for other models.
    """

    def __init__(
        self,
        retriever: HybridRetriever,
        *,
        settings: Settings,
        llm: LLM | None = None,
        streaming: bool = False,
        text_qa_template: BasePromptTemplate | None = None,
    ) -> None:
        super().__init__(callback_manager=None)
        check_calibration(retriever.index, retriever.reranker, settings)
        self.retriever = retriever
        self.settings = settings
        self.llm = llm = None if llm is None else guarded(llm)
        self.streaming = streaming
        self.steps = AnswerSteps(retriever, settings, llm)
        if text_qa_template is not None:
            self.steps.prompts.update({QA: text_qa_template})

    # -- the public forms ----------------------------------------------------------------------------------------

    def stream(self, question: str, filters: MetadataFilters | None = None) -> AnswerStream:
        """Answer token by token: iterate ``.tokens()``, then read ``.response``."""
        return AnswerStream(self, question, filters)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        if self.streaming:
            stream = AnswerStream(self, query_bundle.query_str, searched=_transformed(query_bundle))
            return StreamingResponse(
                response_gen=cast(Any, stream.tokens()),
                source_nodes=stream.source_nodes,
                metadata=stream.metadata,
            )
        return self.answer(query_bundle.query_str, searched=_transformed(query_bundle))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        if self.streaming:
            stream = await asyncio.to_thread(
                AnswerStream, self, query_bundle.query_str, searched=_transformed(query_bundle)
            )
            return AsyncStreamingResponse(
                response_gen=cast(Any, stream.atokens()),
                source_nodes=stream.source_nodes,
                metadata=stream.metadata,
            )
        return await self.aanswer(query_bundle.query_str, searched=_transformed(query_bundle))

    def answer(
        self, question: str, filters: MetadataFilters | None = None, *, searched: str | QueryBundle | None = None
    ) -> Response:
        """The whole answer at once. ``searched``: what to search instead of ``question`` (a chat's condensed one)."""
        prepared = self.steps.prepare(question, filters, searched)
        text, failure = "", None
        if prepared.messages is not None:
            try:
                with prepared.trace.stage("answer"):
                    text = self.steps.complete(prepared)
            except Exception as error:  # noqa: BLE001 - explained, noted, and answered extractively
                failure = self.steps.explain(error)
        return self.steps.finish(prepared, text, failure)

    async def aanswer(
        self, question: str, filters: MetadataFilters | None = None, *, searched: str | QueryBundle | None = None
    ) -> Response:
        """``answer`` without blocking the event loop: encoder, engine and model work in a thread meanwhile."""
        return await asyncio.to_thread(self.answer, question, filters, searched=searched)

    # -- the prompts, as LlamaIndex shows and replaces them --------------------------------------------------------

    def _get_prompts(self) -> PromptDictType:
        return self.steps.prompts.as_dict()

    def _update_prompts(self, prompts: PromptDictType) -> None:
        self.steps.prompts.update(prompts)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def _transformed(bundle: QueryBundle) -> QueryBundle | None:
    """The bundle of a query transform (HyDE) that has something else to search with than the question's words."""
    return bundle if bundle.custom_embedding_strs or bundle.embedding is not None else None


class AnswerStream:
    """One streamed answer. Retrieval has run when it is made; ``tokens()`` starts the model.

    ``response`` and ``metadata`` are complete once ``tokens()`` (or ``atokens()``) has ended.
    """

    def __init__(
        self,
        engine: RagQueryEngine,
        question: str,
        filters: MetadataFilters | None = None,
        *,
        searched: str | QueryBundle | None = None,
        on_end: Callable[[Response], None] | None = None,
    ) -> None:
        self._engine = engine
        self._prepared = engine.steps.prepare(question, filters, searched)
        self._on_end = on_end
        self.metadata: dict[str, Any] = {}
        self.response: Response | None = None

    @property
    def source_nodes(self) -> list[NodeWithScore]:
        """The passages the answer may draw on, best first."""
        return [passage_node(passage) for passage in self._prepared.passages]

    @property
    def passages(self) -> list[Passage]:
        """The passages that the answer may draw on, numbered as in its citations."""
        return list(self._prepared.passages)

    def tokens(self) -> Iterator[str]:
        """The answer's text in pieces; invented citations never appear in it.

        Where the model fails on the way, the documents' own sentences follow, and ``metadata["notes"]`` says why.
        """
        prepared, steps = self._prepared, self._engine.steps
        raw, failure, shown = "", None, ""
        if prepared.messages is not None:
            guard = RepetitionGuard()
            checker = None if prepared.routed else steps.checker(prepared)
            try:
                with prepared.trace.stage("answer"):
                    if self._engine.settings.answer.response_mode in PIECEMEAL or prepared.routed:
                        pieces: Iterator[str] = guard.pieces(steps.deltas(prepared))
                    else:
                        pieces = iter([steps.complete(prepared)])
                    for piece in pieces:
                        if piece is RESTART:
                            raw, checker = "", None if prepared.routed else steps.checker(prepared)
                            continue
                        raw += piece
                        if checker is None:
                            shown += piece
                            yield piece
                            continue
                        checker.feed(piece)
                        if any(mark in piece for mark in SENTENCE_ENDS) and (
                            new := steps.release(checker, prepared, shown)
                        ):
                            shown += new
                            yield new
                    raw = guard.text or raw
                    steps.note_cut(prepared, guard)
            except Exception as error:  # noqa: BLE001 - explained, noted, and answered extractively
                failure = steps.explain(error)
        response = steps.finish(prepared, raw, failure)
        text = str(response.response)
        if text.startswith(shown):
            if text != shown:
                yield text[len(shown) :]
        elif (response.metadata or {})["status"] != "answered":
            yield "\n\n" + text  # what was sent cannot be taken back; the status and a note say what happened
        self._end(response)

    async def atokens(self) -> AsyncIterator[str]:
        """``tokens()`` without blocking the event loop."""
        pieces = self.tokens()
        ended = object()
        while (piece := await asyncio.to_thread(next, pieces, ended)) is not ended:
            yield cast(str, piece)

    def _end(self, response: Response) -> None:
        self.response = response
        self.metadata.update(response.metadata or {})
        if self._on_end is not None:
            self._on_end(response)
