"""The second journey, assembled: question -> retrieval -> passages -> prompt -> answer with checked citations.

``RagQueryEngine`` is a LlamaIndex query engine. Its sync, async and streaming forms share two steps: ``_prepare``
(everything before the model speaks) and ``_finish`` (everything after).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.llms import LLM
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores import MetadataFilters

from indexes.errors import LLMError
from rag.answer.abstain import says_not_found, too_weak
from rag.answer.budget import fit_passages
from rag.answer.citations import CitationStream, CitedAnswer, cite
from rag.answer.extractive import extract_answer
from rag.answer.language import Language, detect_language
from rag.answer.prompts import NOT_FOUND, build_messages, direct_messages, passage_block, qa_template, refine_template
from rag.answer.repack import repack
from rag.answer.repetition import RepetitionGuard, cut_repetition
from rag.answer.routing import needs_retrieval
from rag.llms import explain_llm_error, usage_of
from rag.llms.tokens import token_counter
from rag.retrieval.candidate import Passage
from rag.retrieval.hybrid import HybridRetriever, SearchResult
from rag.retrieval.windows import merge_windows
from rag.settings import Settings
from rag.trace import Trace

Status = Literal["answered", "extractive", "not_found"]
REPEATED = "the model began to repeat itself, so its answer ends there"
UNFOUNDED = (
    "no passage supports any sentence that the model wrote, so the answer is the documents' own sentences instead"
)
MESSAGE_TOKENS = 8  # what a chat template adds around one message, generously


@dataclass(slots=True)
class _Prepared:
    """A question ready for the model. Without ``messages`` the answer is settled already and needs no model."""

    question: str
    language: Language
    trace: Trace
    passages: list[Passage] = field(default_factory=list)
    sentence_scores: dict[str, float] = field(default_factory=dict)
    messages: list[ChatMessage] | None = None
    settled: Literal["extractive", "not_found"] | None = None
    routed: bool = False  # small talk: the model answers without documents


class RagQueryEngine(BaseQueryEngine):
    """Answers with numbered citations, or says honestly that the documents hold no answer.

    ``response.metadata`` holds ``status`` ("answered", "extractive", "not_found"), ``citations`` (number, source,
    heading, page, text, matched), ``sentences`` (each answer sentence with its support), ``notes`` (every
    degradation and why) and ``trace``. ``response.source_nodes`` are the passages.

    Args:
        retriever: finds the candidates.
        settings: ``retrieval``, ``answer`` and ``llm`` are read.
        llm: any LlamaIndex LLM; None answers with the documents' own sentences.
        streaming: ``query`` returns a LlamaIndex StreamingResponse.
    """

    def __init__(
        self, retriever: HybridRetriever, *, settings: Settings, llm: LLM | None = None, streaming: bool = False
    ) -> None:
        super().__init__(callback_manager=None)
        self.retriever = retriever
        self.settings = settings
        self.llm = llm
        self.streaming = streaming

    # -- the public forms ----------------------------------------------------------------------------------------

    def stream(self, question: str, filters: MetadataFilters | None = None) -> AnswerStream:
        """Answer token by token: iterate ``.tokens()``, then read ``.response``."""
        return AnswerStream(self, question, filters)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        if self.streaming:
            stream = self.stream(query_bundle.query_str)
            return StreamingResponse(
                response_gen=cast(Any, stream.tokens()),
                source_nodes=stream.source_nodes,
                metadata=stream.metadata,
            )
        return self.answer(query_bundle.query_str)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        if self.streaming:
            stream = await asyncio.to_thread(self.stream, query_bundle.query_str)
            return AsyncStreamingResponse(
                response_gen=cast(Any, stream.atokens()),
                source_nodes=stream.source_nodes,
                metadata=stream.metadata,
            )
        return await self.aanswer(query_bundle.query_str)

    def answer(self, question: str, filters: MetadataFilters | None = None, *, searched: str | None = None) -> Response:
        """The whole answer at once. ``searched``: what to search instead of ``question`` (a chat's condensed one)."""
        prepared = self._prepare(question, filters, searched)
        text, failure = "", None
        if prepared.messages is not None:
            try:
                with prepared.trace.stage("answer"):
                    text = self._complete(prepared)
            except Exception as error:  # noqa: BLE001 - explained, noted, and answered extractively
                failure = self._explain(error)
        return self._finish(prepared, text, failure)

    async def aanswer(
        self, question: str, filters: MetadataFilters | None = None, *, searched: str | None = None
    ) -> Response:
        """``answer`` without blocking the event loop: encoder, engine and model work in a thread meanwhile."""
        return await asyncio.to_thread(self.answer, question, filters, searched=searched)

    # -- before the model ----------------------------------------------------------------------------------------

    def _prepare(self, question: str, filters: MetadataFilters | None, searched: str | None = None) -> _Prepared:
        answer = self.settings.answer
        language = detect_language(question) if answer.language == "auto" else answer.language
        trace = Trace(question, searched=searched or question, language=language)
        prepared = _Prepared(question, language, trace)
        if answer.routing and self.llm is not None:
            with trace.stage("route"):
                routing = needs_retrieval(question, language, self.llm)
            if routing.failed:
                trace.note(routing.reason)
            if not routing.retrieve:
                trace.note(f"answered without the documents, since {routing.reason}")
                prepared.messages, prepared.routed = direct_messages(question, language), True
                return prepared
        result = self.retriever.search(searched or question, filters, trace=trace)
        prepared.sentence_scores = {candidate.id: candidate.score for candidate in result.candidates}
        prepared.passages = self._passages(result)
        best = max((passage.score for passage in prepared.passages), default=None)
        if too_weak(best, answer):
            prepared.settled = "not_found"
        elif (reason := self._why_extractive(language)) is not None:
            trace.note(reason)
            prepared.settled = "extractive"
        else:
            with trace.stage("prompt"):
                self._build_prompt(prepared)
        return prepared

    def _passages(self, result: SearchResult) -> list[Passage]:
        with result.trace.stage("windows"):
            return merge_windows(result.candidates, result.windows, limit=self.settings.retrieval.top_n)

    def _why_extractive(self, language: Language) -> str | None:
        llm = self.settings.llm
        if self.llm is None:
            return "no LLM is configured, so the answer is the documents' own sentences"
        if language not in llm.languages:
            names = {"en": "English", "zh": "Chinese"}
            reads = " and ".join(names.get(code, code) for code in llm.languages)
            return (
                f"the model {llm.model} reads {reads} only, so this {names[language]} question is answered with the "
                "documents' own sentences"
            )
        return None

    def _build_prompt(self, prepared: _Prepared) -> None:
        llm = self.settings.llm
        model = cast(LLM, self.llm)
        count = token_counter(model, llm)
        # An in-process model may have been trained with less context than is configured.
        window = min(llm.context_window, model.metadata.context_window or llm.context_window)
        frame = build_messages(prepared.question, [], prepared.language)
        fixed = sum(count(str(message.content)) + MESSAGE_TOKENS for message in frame)
        fit = fit_passages(
            prepared.passages,
            count_tokens=count,
            context_window=window,
            reserved=llm.max_tokens,
            fixed_tokens=fixed,
        )
        if fit.note:
            prepared.trace.note(fit.note)
        prepared.passages = fit.kept
        ordered = repack(fit.kept, self.settings.answer.repack)
        prepared.messages = build_messages(prepared.question, ordered, prepared.language)

    # -- the model -----------------------------------------------------------------------------------------------

    def _complete(self, prepared: _Prepared) -> str:
        if self.settings.answer.response_mode == "compact" or prepared.routed:
            guard = RepetitionGuard()
            for _ in guard.pieces(self._deltas(prepared)):
                pass
            self._note_cut(prepared, guard)
            return guard.text
        text, repeated = cut_repetition(self._synthesize(prepared, cast(LLM, self.llm)))
        if repeated:
            prepared.trace.note(REPEATED)
        return text

    def _deltas(self, prepared: _Prepared) -> Iterator[str]:
        """The model's words as they come. Streamed in every form, so that a loop can be stopped while it runs."""
        llm, last = cast(LLM, self.llm), None
        prepared.trace.llm = {"model": llm.metadata.model_name}  # all that is known of a stream that is cut
        for last in llm.stream_chat(prepared.messages or []):
            if last.delta:
                yield last.delta
        if last is not None:
            prepared.trace.llm = usage_of(last)

    def _note_cut(self, prepared: _Prepared, guard: RepetitionGuard) -> None:
        if guard.cut:
            prepared.trace.note(REPEATED)
            return
        usage, limit = prepared.trace.llm, self.settings.llm.max_tokens
        if usage.get("finish_reason") == "length" or usage.get("completion_tokens", 0) >= limit:
            prepared.trace.note(f"the answer was cut at llm.max_tokens = {limit}")

    def _synthesize(self, prepared: _Prepared, llm: LLM) -> str:
        """Any other LlamaIndex response mode, with our prompts over the numbered passages."""
        from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer

        synthesizer = get_response_synthesizer(
            llm=llm,
            response_mode=ResponseMode(self.settings.answer.response_mode),
            text_qa_template=qa_template(prepared.language),
            summary_template=qa_template(prepared.language),
            refine_template=refine_template(prepared.language),
        )
        ordered = repack(prepared.passages, self.settings.answer.repack)
        nodes = [NodeWithScore(node=TextNode(text=passage_block(passage)), score=passage.score) for passage in ordered]
        return str(synthesizer.synthesize(QueryBundle(prepared.question), nodes=nodes))

    def _explain(self, error: Exception) -> LLMError:
        return error if isinstance(error, LLMError) else explain_llm_error(error, self.settings.llm)

    # -- after the model -----------------------------------------------------------------------------------------

    def _finish(self, prepared: _Prepared, text: str, failure: LLMError | None) -> Response:
        """Check the citations (or settle the answer without the model) and put the response together."""
        trace = prepared.trace
        status: Status
        if prepared.routed:
            if failure is not None:
                raise failure  # there are no documents to fall back on
            return self._response(prepared, "answered", CitedAnswer(text=text))
        if failure is not None:
            trace.note(f"the answer is the documents' own sentences, since {failure}")
        elif prepared.messages is not None and not text.strip():
            trace.note("the LLM wrote nothing, so the answer is the documents' own sentences")
        with trace.stage("cite"):
            if prepared.settled == "not_found":
                status, cited = "not_found", CitedAnswer(text=NOT_FOUND[prepared.language])
            elif prepared.settled == "extractive" or failure is not None or not text.strip():
                status, cited = "extractive", self._extract(prepared)
            elif says_not_found(text, prepared.language):
                status, cited = "not_found", CitedAnswer(text=NOT_FOUND[prepared.language])
            else:
                status = "answered"
                cited = cite(text, prepared.passages, support_threshold=self.settings.answer.support_threshold)
                if cited.sentences and all(sentence.status == "unsupported" for sentence in cited.sentences):
                    trace.note(UNFOUNDED)
                    status, cited = "extractive", self._extract(prepared)
        if cited.removed:
            trace.note(f"the model cited {', '.join(cited.removed)}, which no passage has; removed from the answer")
        unsupported = sum(sentence.status == "unsupported" for sentence in cited.sentences)
        if unsupported and status == "answered":
            trace.note(f"{unsupported} of {len(cited.sentences)} sentences of the answer are supported by no passage")
        return self._response(prepared, status, cited)

    def _extract(self, prepared: _Prepared) -> CitedAnswer:
        return extract_answer(
            prepared.trace.searched,
            prepared.passages,
            language=prepared.language,
            sentences=self.settings.answer.extractive_sentences,
            score=prepared.sentence_scores,
        )

    def _response(self, prepared: _Prepared, status: Status, cited: CitedAnswer) -> Response:
        return Response(
            response=cited.annotated,
            source_nodes=[_passage_node(passage) for passage in prepared.passages],
            metadata={
                "status": status,
                "citations": [citation.as_dict() for citation in cited.citations],
                "sentences": [sentence.as_dict() for sentence in cited.sentences],
                "notes": list(prepared.trace.notes),
                "trace": prepared.trace.as_dict(),
            },
        )

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


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
        searched: str | None = None,
        on_end: Callable[[Response], None] | None = None,
    ) -> None:
        self._engine = engine
        self._prepared = engine._prepare(question, filters, searched)
        self._on_end = on_end
        self.metadata: dict[str, Any] = {}
        self.response: Response | None = None

    @property
    def source_nodes(self) -> list[NodeWithScore]:
        """The passages the answer may draw on, best first."""
        return [_passage_node(passage) for passage in self._prepared.passages]

    def tokens(self) -> Iterator[str]:
        """The answer's text in pieces; invented citations never appear in it.

        Where the model fails on the way, the documents' own sentences follow, and ``metadata["notes"]`` says why.
        """
        prepared, engine = self._prepared, self._engine
        raw, failure, shown = "", None, False
        if prepared.messages is not None:
            guard = RepetitionGuard()
            threshold = engine.settings.answer.support_threshold
            checker = None if prepared.routed else CitationStream(prepared.passages, support_threshold=threshold)
            try:
                with prepared.trace.stage("answer"):
                    if engine.settings.answer.response_mode != "compact" and not prepared.routed:
                        pieces: Iterator[str] = iter([engine._complete(prepared)])
                    else:
                        pieces = guard.pieces(engine._deltas(prepared))
                    for piece in pieces:
                        raw += piece
                        clean = checker.feed(piece) if checker else piece
                        if clean:
                            shown = True
                            yield clean
                    tail = checker.finish() if checker else ""
                    if tail:
                        yield tail
                    raw = guard.text or raw
                    engine._note_cut(prepared, guard)
            except Exception as error:  # noqa: BLE001 - explained, noted, and answered extractively
                failure = engine._explain(error)
        response = engine._finish(prepared, raw, failure)
        if (response.metadata or {})["status"] == "extractive" or not raw.strip():
            yield ("\n\n" if shown else "") + str(response.response)
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


def _passage_node(passage: Passage) -> NodeWithScore:
    """A passage as LlamaIndex shows sources: the whole window, with its place."""
    metadata = {**passage.sentences[0].metadata, "citation": passage.number}
    hits = [sentence for sentence in passage.sentences if sentence.id in passage.hits] or passage.sentences
    return NodeWithScore(node=TextNode(id_=hits[0].id, text=passage.text, metadata=metadata), score=passage.score)
