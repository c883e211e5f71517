"""Answer questions without LlamaIndex: question -> retrieval -> passages -> prompt -> checked citations.

``rag.engine.RagQueryEngine`` does the same as a LlamaIndex query engine. The sync, async and streaming forms share
``answer_steps``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from indexes.errors import LLMError
from rag import instrumentation
from rag.answer.check.repetition import RESTART, RepetitionGuard
from rag.answer.refusal.calibration import check_calibration
from rag.answer.source_nodes import passage_node
from rag.answer.writing import PreparedAnswer
from rag.answer_steps import AnswerSteps
from rag.instrumentation import span
from rag.llms import guarded
from rag.retrieval.candidate import Passage
from rag.retrieval.question import QueryLike
from rag.retrieval.searching import HybridSearch
from rag.settings import Settings
from rag.ways import AWAITING, BLOCKING, Way, in_step, run_now

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.llms import LLM
    from llama_index.core.schema import NodeWithScore
    from llama_index.core.vector_stores import MetadataFilters

SENTENCE_ENDS = (
    '.!?。！？；;:：\n 1234567890[【(（"”»'  # a piece with one of these may end a sentence or begin the next
)


@dataclass(slots=True)
class Answer:
    """An answer as plain values; for ``metadata`` see ``AnswerEngine``.

    >>> print(Answer("The harbour opens at 6 [1]."))
    The harbour opens at 6 [1].
    """

    response: str
    passages: list[Passage] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.response


class AnswerEngine:
    """Answer questions with numbered citations, or report that the documents hold no answer.

    ``answer.metadata`` holds ``status`` ("answered", "extractive", "not_found", "direct"), ``citations``
    (number, source, heading, page, text, matched, doc_id, sentence_id, start, end), ``sentences`` (each with its
    support), ``notes`` (what did not go as configured, and why), ``note_kinds`` (a fixed word for each) and ``trace``.

    Args:
        retriever: finds the candidates.
        settings: ``retrieval``, ``answer`` and ``llm`` are used.
        llm: any LlamaIndex LLM, or a function that loads one at first use; None answers with the documents' own
            sentences.
        callback_manager: LlamaIndex's, if there is one.

    Raises:
        SettingsError: ``answer.abstain_below`` was calibrated for other models.
    """

    def __init__(
        self,
        retriever: HybridSearch,
        *,
        settings: Settings,
        llm: LLM | Callable[[], LLM] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        check_calibration(retriever.index, retriever.reranker, settings)
        self.callback_manager = callback_manager
        self.retriever = retriever
        self.settings = settings
        self.awaiting: Way = AWAITING  # used by the async forms; a server sets its own threads
        loaded: Any = guarded(llm) if hasattr(llm, "metadata") else llm  # type: ignore[arg-type]  # else a loader
        self.steps = AnswerSteps(retriever, settings, loaded, self.reply)

    def reply(self, text: str, passages: list[Passage], metadata: dict[str, Any]) -> Any:
        """Build the answer that callers get."""
        return Answer(text, passages, metadata)

    @property
    def llm(self) -> LLM | None:
        """The language model; one in this process is loaded at first use."""
        return self.steps.llm

    @span
    def stream(
        self,
        question: str,
        filters: MetadataFilters | None = None,
        *,
        searched: str | QueryLike | None = None,
        on_end: Callable[[Any], object] | None = None,
    ) -> AnswerStream:
        """Answer token by token: iterate ``.tokens()``, then read ``.response``.

        Args:
            searched: as for ``answer``.
            on_end: called with the response after the last token.
        """
        return run_now(self._stream(question, filters, searched, BLOCKING, on_end=on_end))

    @span
    async def astream(
        self,
        question: str,
        filters: MetadataFilters | None = None,
        *,
        searched: str | QueryLike | None = None,
        on_end: Callable[[Any], object] | None = None,
    ) -> AnswerStream:
        """Stream without blocking the event loop: iterate ``.atokens()``."""
        return await self._stream(question, filters, searched, self.awaiting, on_end=on_end)

    @span
    def answer(
        self, question: str, filters: MetadataFilters | None = None, *, searched: str | QueryLike | None = None
    ) -> Any:
        """Return the whole answer.

        Args:
            searched: what to search instead of ``question`` (a chat's condensed question).
        """
        with instrumentation.query(self.callback_manager, question) as ended:
            return ended(run_now(self._answer(question, filters, searched, BLOCKING)))

    @span
    async def aanswer(
        self, question: str, filters: MetadataFilters | None = None, *, searched: str | QueryLike | None = None
    ) -> Any:
        """Answer without blocking the event loop: the model is awaited, computation runs in a thread."""
        with instrumentation.query(self.callback_manager, question) as ended:
            return ended(await self._answer(question, filters, searched, self.awaiting))

    # -- both ways, written once -----------------------------------------------------------------------------------

    async def _answer(
        self, question: str, filters: MetadataFilters | None, searched: str | QueryLike | None, way: Way
    ) -> Any:
        steps = self.steps
        prepared = await steps.prepare(question, filters, searched, way)
        text, failure = "", None
        with steps.reported(prepared, self.callback_manager) as ended:
            if prepared.messages is not None and steps.writer is not None:
                try:
                    with prepared.trace.stage("answer"):
                        text = await steps.writer.complete(prepared, way)
                except Exception as error:  # noqa: BLE001 - explained, noted, and answered extractively
                    failure = steps.explain(error)
            return ended(await way.compute(steps.finish, prepared, text, failure))

    async def _stream(
        self,
        question: str,
        filters: MetadataFilters | None,
        searched: str | QueryLike | None,
        way: Way,
        *,
        on_end: Callable[[Any], object] | None = None,
        reported: bool = False,
    ) -> AnswerStream:
        prepared = await self.steps.prepare(question, filters, searched, way)
        return AnswerStream(self, prepared, on_end=on_end, reported=reported)


class AnswerStream:
    """A streamed answer: retrieval has run when it is made, ``tokens()`` or ``atokens()`` starts the model.

    ``response`` and ``metadata`` are complete after the last token.

    Args:
        on_end: called with the response after the last token.
        reported: whether the caller reports the query to LlamaIndex's instrumentation.
    """

    def __init__(
        self,
        engine: AnswerEngine,
        prepared: PreparedAnswer,
        *,
        on_end: Callable[[Any], object] | None = None,
        reported: bool = False,
    ) -> None:
        self._engine = engine
        self._prepared = prepared
        self._on_end = on_end
        self._reported = reported
        self._span = instrumentation.current_span()  # the call that searched, parent of the tokens' span
        self.metadata: dict[str, Any] = {}
        self.response: Any = None

    @property
    def searched(self) -> str:
        """What was searched: the question, or a chat's condensed question."""
        return self._prepared.trace.searched

    @property
    def source_nodes(self) -> list[NodeWithScore]:
        """The answer's passages as LlamaIndex nodes, best first."""
        return [passage_node(passage) for passage in self._prepared.passages]

    @property
    def passages(self) -> list[Passage]:
        """The answer's passages, numbered as in its citations."""
        return list(self._prepared.passages)

    def tokens(self) -> Iterator[str]:
        """Yield the answer's text in pieces, without invented citations; closing the iterator stops the model.

        If the model fails midway, the documents' own sentences follow, and ``metadata["notes"]`` says why.
        """
        return in_step(self._spanned(BLOCKING, "tokens"))

    def atokens(self) -> AsyncGenerator[str, None]:
        """Yield the pieces without blocking the event loop."""
        return self._spanned(self._engine.awaiting, "atokens")

    def settle(self, failure: LLMError) -> Any:
        """Return the response without the model, for a stream that was closed before it gave a piece.

        It is made of the documents' own sentences, and a note says that the model failed, and how.

        Raises:
            LLMError: ``failure``; the question was not one for the documents.
        """
        self.response = self._engine.steps.finish(self._prepared, "", failure)
        return self.response

    def _spanned(self, way: Way, name: str) -> AsyncGenerator[str, None]:
        pieces, question = self._pieces(way), self._prepared.question
        return instrumentation.spanned(pieces, self, name, question, lambda: self.response, parent=self._span)

    async def _pieces(self, way: Way) -> AsyncGenerator[str, None]:
        engine, question = self._engine, self._prepared.question
        with ExitStack() as reports:
            whole = None
            if not self._reported:
                whole = reports.enter_context(instrumentation.query(engine.callback_manager, question))
            ended = reports.enter_context(engine.steps.reported(self._prepared, engine.callback_manager))
            async with aclosing(self._answered(way)) as pieces:
                async for piece in pieces:
                    yield piece
            response = self.response
            ended(response)
            if whole is not None:
                whole(response)
        self.metadata.update(response.metadata or {})
        if self._on_end is not None:
            self._on_end(response)

    async def _answered(self, way: Way) -> AsyncGenerator[str, None]:
        prepared, steps = self._prepared, self._engine.steps
        raw, failure, shown = "", None, ""
        if prepared.messages is not None and (writer := steps.writer) is not None:
            guard = RepetitionGuard()
            checker = None if prepared.routed else steps.checker(prepared)
            try:
                with prepared.trace.stage("answer"):
                    streams = writer.streams(prepared)
                    source = guard.pieces(writer.deltas(prepared, way)) if streams else writer.whole(prepared, way)
                    async with aclosing(source) as pieces:
                        async for piece in pieces:
                            if piece is RESTART:
                                raw, checker = "", None if prepared.routed else steps.checker(prepared)
                                continue
                            raw += piece
                            if checker is None:
                                shown += piece
                                yield piece
                                continue
                            checker.feed(piece)
                            if not any(mark in piece for mark in SENTENCE_ENDS):
                                continue
                            if new := await way.compute(steps.release, checker, prepared, shown):
                                shown += new
                                yield new
                    raw = guard.text or raw
                    writer.note_cut(prepared, guard)
            except Exception as error:  # noqa: BLE001 - explained, noted, and answered extractively
                failure = steps.explain(error)
        self.response = response = await way.compute(steps.finish, prepared, raw, failure)
        text = str(response.response)
        if text.startswith(shown):
            if text != shown:
                yield text[len(shown) :]
        elif (response.metadata or {})["status"] != "answered":
            yield "\n\n" + text  # sent text cannot be taken back; status and a note report what happened
