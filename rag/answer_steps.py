"""The steps of one answer: before the model, the model, and after it.

``rag.asking`` joins them in its sync, async and streaming forms.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from indexes.errors import LLMError, must_be
from indexes.store.filters import check_filters
from indexes.text.characters import valid
from rag import instrumentation
from rag.answer import notes
from rag.answer.check.citations import CitationStream, CitedAnswer
from rag.answer.check.mark_forms import is_only_marks, is_only_question
from rag.answer.check.meaning import Meaning
from rag.answer.check.notes import notes_of
from rag.answer.check.orders import orders_in
from rag.answer.language import NOT_FOUND, detect_language
from rag.answer.own_sentences import OwnSentences
from rag.answer.prompt.budget import fit_passages
from rag.answer.prompt.modes import WITHOUT_MODEL, generation_messages
from rag.answer.prompt.prompts import direct_messages
from rag.answer.prompt.repack import repack
from rag.answer.prompt.routing import needs_retrieval
from rag.answer.prompt.templates import AnswerPrompts
from rag.answer.refusal.abstain import says_not_found, too_weak
from rag.answer.refusal.calibration import RELATIVE
from rag.answer.refusal.confidence import OVERRULE, nearest
from rag.answer.refusal.signals import refusal_model
from rag.answer.writing import AnswerWriter, PreparedAnswer
from rag.llms import explain_llm_error, guarded
from rag.llms.tokens import token_counter
from rag.retrieval.candidate import Passage
from rag.retrieval.question import QueryLike
from rag.retrieval.repeats import distinct_passages
from rag.retrieval.searching import HybridSearch, SearchResult
from rag.retrieval.windows import spread
from rag.settings import Settings
from rag.trace import Trace
from rag.ways import Way

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.llms import LLM
    from llama_index.core.vector_stores import MetadataFilters

Reply = TypeVar("Reply")  # an answer with its metadata, ours or LlamaIndex's

Status = Literal["answered", "extractive", "not_found", "direct"]
MESSAGE_TOKENS = 8  # upper estimate of what a chat template adds to a message


class AnswerSteps(Generic[Reply]):
    """``prepare``, the writer, ``finish``: each works on a ``PreparedAnswer``.

    Args:
        retriever: finds the candidates.
        settings: ``retrieval``, ``answer`` and ``llm`` are used.
        llm: a language model, or a function that loads it at first use; None: answers are extractive.
        reply: makes an answer of text, passages and metadata.
    """

    def __init__(
        self,
        retriever: HybridSearch,
        settings: Settings,
        llm: LLM | Callable[[], LLM] | None,
        reply: Callable[[str, list[Passage], dict[str, Any]], Reply],
    ) -> None:
        self._reply = reply
        self.retriever = retriever
        self.settings = settings
        self.has_llm = llm is not None
        self._llm = llm
        self.prompts = AnswerPrompts(settings)
        self.meaning = Meaning(retriever.index.encoder, retriever.reranker)
        self.own = OwnSentences(retriever.index, self.meaning, most=settings.answer.extractive_sentences)
        self._loading = Lock()
        self.writer = (
            AnswerWriter(self._loaded, settings, self.prompts, refusal_model(settings), self.own.nearness)
            if llm
            else None
        )

    @property
    def llm(self) -> LLM | None:
        """The language model, loaded at first use."""
        return self._loaded() if self.has_llm else None

    # -- before the model ----------------------------------------------------------------------------------------

    async def prepare(
        self, question: str, filters: MetadataFilters | None, searched: str | QueryLike | None, way: Way
    ) -> PreparedAnswer:
        """Search, and decide whether and what to ask the model."""
        must_be(str, "the question", question, "pass a text")
        check_filters(filters)
        bundle = None if searched is None or isinstance(searched, str) else searched
        words = searched if searched is None or isinstance(searched, str) else searched.query_str
        question, searched = valid(question), valid(words) if words else None
        answer = self.settings.answer
        language = detect_language(question) if answer.language == "auto" else answer.language
        trace = Trace(question, searched=searched or question, language=language)
        prepared = PreparedAnswer(question, language, trace)
        routing = None
        if answer.routing != "off" and self.has_llm:
            with trace.stage("route"):
                llm = await way.compute(self._loaded) if answer.routing == "general" else None
                routing = await needs_retrieval(question, language, way, llm)
            if routing.failed:
                trace.note(routing.reason, "routed")
        asked = bundle or searched or question
        result = None
        if routing is not None and not routing.retrieve:
            if not routing.by_rule:
                result = await self.retriever.search_by(way, asked, filters, trace=trace)
                passages = await way.compute(self._passages, result)
                if await way.compute(self.own.floor.confidence, question, passages) >= OVERRULE:
                    trace.note(notes.OVERRULED, "routed")
                    routing = replace(routing, retrieve=True)
            if not routing.retrieve:
                trace.note(notes.without_documents(routing.reason), "routed")
                prepared.messages, prepared.routed = direct_messages(question, language), True
                return prepared
        result = result or await self.retriever.search_by(way, asked, filters, trace=trace)
        return await way.compute(self._settle, prepared, result)

    def _settle(self, prepared: PreparedAnswer, result: SearchResult) -> PreparedAnswer:
        """Decide by what was found whether to ask the model, and write its prompt."""
        question, trace, answer = prepared.question, prepared.trace, self.settings.answer
        prepared.sentence_scores = {candidate.id: candidate.score for candidate in result.candidates}
        prepared.cosines = {one.id: one.dense_score for one in result.candidates if one.dense_score is not None}
        prepared.passages, prepared.dense = self._passages(result), result.dense
        for passage, order in orders_in(prepared.passages):
            trace.note(notes.holds_order(passage.source, order), "orders")
        best = max((candidate.confidence for candidate in result.candidates), default=None)
        relative = self.retriever.reranker is None and self.settings.retrieval.fusion in RELATIVE
        if best is not None and relative and answer.abstain_below is not None:
            best = self.own.floor.confidence(trace.searched, prepared.passages)
        if too_weak(best, answer):
            prepared.decision = "not_found"
        elif answer.response_mode in WITHOUT_MODEL:
            prepared.decision = "extractive"
            prepared.shown = WITHOUT_MODEL[answer.response_mode](prepared.passages)
        elif answer.response_mode == "generation" and self.has_llm:
            trace.note(notes.BY_MODE, "routed")
            prepared.messages, prepared.routed = generation_messages(question), True
        elif (reason := notes.why_extractive(self.settings.llm, prepared.language, has_llm=self.has_llm)) is not None:
            trace.note(reason, "language" if self.has_llm else "no_llm")
            prepared.decision = "extractive"
        else:
            try:
                with trace.stage("prompt"):
                    self._build_prompt(prepared)
            except LLMError as error:  # it could not be loaded
                trace.note(notes.instead_of_model(error), "llm_failed")
                prepared.decision = "extractive"
        return prepared

    def _passages(self, result: SearchResult) -> list[Passage]:
        with result.trace.stage("windows"):
            candidates = spread(result.candidates, self.settings.retrieval.per_document)
            return distinct_passages(candidates, result.windows, limit=self.settings.retrieval.top_n)

    def _loaded(self) -> LLM:
        from llama_index.core.llms import LLM

        with self._loading:
            if not isinstance(self._llm, LLM):
                self._llm = guarded(cast(Callable[[], LLM], self._llm)())
            return self._llm

    def _build_prompt(self, prepared: PreparedAnswer) -> None:
        llm = self.settings.llm
        model = self._loaded()
        count = token_counter(model, llm)
        # An in-process model may have been trained with less context than is configured.
        window = min(llm.context_window, model.metadata.context_window or llm.context_window)
        answer = self.settings.answer
        frame = self.prompts.messages(prepared.question, [], prepared.language)
        fixed = sum(count(str(message.content)) + MESSAGE_TOKENS for message in frame)
        fit = fit_passages(
            prepared.passages,
            count_tokens=count,
            context_window=window,
            reserved=llm.max_tokens,
            fixed_tokens=fixed,
            most=answer.context_tokens,
            tables=answer.tables,
        )
        if fit.note:
            prepared.trace.note(fit.note, "context")
        prepared.passages = fit.kept
        ordered = repack(fit.kept, answer.repack)
        prepared.messages = self.prompts.messages(prepared.question, ordered, prepared.language, answer.tables)

    def explain(self, error: Exception) -> LLMError:
        return error if isinstance(error, LLMError) else explain_llm_error(error, self.settings.llm)

    def reported(self, prepared: PreparedAnswer, manager: CallbackManager | None) -> AbstractContextManager[Any]:
        """Report the synthesis to LlamaIndex's instrumentation, unless one of its own synthesizers does."""
        own = prepared.messages is not None and self.writer is not None and not self.writer.streams(prepared)
        return instrumentation.synthesis(manager, prepared.question, silent=own)

    # -- after the model -----------------------------------------------------------------------------------------

    def checker(self, prepared: PreparedAnswer) -> CitationStream:
        """Return what checks the answer, whole or in pieces."""
        return CitationStream(
            prepared.passages,
            support_threshold=self.settings.answer.support_threshold,
            question=prepared.trace.searched or prepared.question,
            meaning=self.meaning,
        )

    def release(self, checker: CitationStream, prepared: PreparedAnswer, shown: str) -> str:
        """Return what may be added to a stream: checked whole sentences, and none before one has passed.

        A beginning that fails may be thinking, or an answer that the documents' own sentences will replace.
        """
        cited = checker.checked()
        if not shown and not any(not sentence.failed for sentence in cited.sentences):
            return ""
        failed: Literal["mark", "drop"] = "mark" if self.settings.answer.unsupported == "mark" else "drop"
        text = cited.shown(failed, prepared.language).rstrip()
        return text[len(shown) :] if text.startswith(shown) else ""

    def finish(self, prepared: PreparedAnswer, text: str, failure: LLMError | None) -> Reply:
        """Check the answer, or write it without the model, and build the response."""
        trace = prepared.trace
        if prepared.shown is not None:
            return self._response(prepared, "extractive", CitedAnswer(text=prepared.shown))
        if prepared.routed:
            if failure is not None:
                raise failure  # no documents were searched that could answer instead
            return self._response(prepared, "direct", CitedAnswer(text=text))
        echo = is_only_question(text, prepared.question)
        empty = echo or is_only_marks(text)
        if failure is not None:
            trace.llm = {**trace.llm, "failure": type(failure).__name__}
            trace.note(notes.instead_of_model(failure), "llm_failed")
        elif prepared.messages is not None and empty:
            note = notes.ONLY_QUESTION if echo else notes.ONLY_MARK if text.strip() else notes.WROTE_NOTHING
            trace.note(note, "llm_failed")
        if prepared.decision == "not_found" or (not empty and says_not_found(text, prepared.language)):
            return self._not_found(prepared)
        if prepared.decision == "extractive" or failure is not None or empty:
            return self._extracted(prepared)
        with trace.stage("cite"):
            checker = self.checker(prepared)
            checker.feed(text)
            checker.finish()
            cited = checker.result()
        if cited.removed:
            trace.note(notes.citations_removed(cited.removed), "citation_removed")
        for note in notes_of(cited):
            trace.note(note, "unsupported")
        failed = [sentence for sentence in cited.sentences if sentence.failed]
        mode = self.settings.answer.unsupported
        if failed and (2 * len(failed) > len(cited.sentences) or mode == "extract"):
            all_failed = len(failed) == len(cited.sentences)
            trace.note(notes.UNFOUNDED if all_failed else notes.MOSTLY_UNFOUNDED, "unsupported")
            return self._extracted(prepared, rejected=cited)
        if failed and mode == "drop":
            trace.note(notes.left_out(len(failed)), "unsupported")
        return self._response(prepared, "answered", cited)

    def _not_found(self, prepared: PreparedAnswer) -> Reply:
        return self._response(prepared, "not_found", CitedAnswer(text=NOT_FOUND[prepared.language]))

    def _extracted(self, prepared: PreparedAnswer, rejected: CitedAnswer | None = None) -> Reply:
        """Answer with the documents' own sentences, unless they are not about what is asked."""
        with prepared.trace.stage("cite"):
            cited = self.own.write(prepared, rejected=rejected is not None)
        if cited is None:
            return self._not_found(prepared)
        more = {} if rejected is None else {"rejected": [sentence.as_dict() for sentence in rejected.sentences]}
        return self._response(prepared, "extractive", cited, **more)

    def _response(self, prepared: PreparedAnswer, status: Status, cited: CitedAnswer, **metadata: Any) -> Reply:
        if status == "not_found":
            metadata["nearest"] = nearest(prepared.passages)
        failed: Literal["mark", "drop"] = "drop" if self.settings.answer.unsupported == "drop" else "mark"
        return self._reply(
            cited.shown(failed if status == "answered" else "keep", prepared.language),
            list(prepared.passages),
            {
                "status": status,
                "citations": [citation.as_dict() for citation in cited.citations],
                "sentences": [sentence.as_dict() for sentence in cited.sentences],
                "notes": list(prepared.trace.notes),
                "note_kinds": list(prepared.trace.note_kinds),
                "trace": prepared.trace.as_dict(),
                **metadata,
            },
        )
