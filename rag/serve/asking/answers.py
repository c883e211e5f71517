"""Answers: retrieved, written and checked in one coroutine, sent to their door as events."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.schema import NodeWithScore

from indexes.errors import LLMTimeoutError
from rag.api import build_query_engine
from rag.chat import RagChatEngine
from rag.engine import RagQueryEngine
from rag.retrieval.candidate import Passage
from rag.serve.errors import Problem, problem_of
from rag.serve.library import Library
from rag.serve.pools.fair import FairPool
from rag.serve.pools.language_model import tuned
from rag.serve.requests import Question
from rag.serve.telemetry.spans import RequestSpan
from rag.settings import Settings
from rag.ways import Awaiting

SETTLE_SECONDS = 10.0  # for an answer of the documents' own sentences, after the model was stopped
KEEP_ALIVE = 10.0  # seconds after which a waiting stream repeats its status


@dataclass(slots=True)
class Event:
    """An event while an answer is written.

    >>> Event("text", text="The harbour opens at 6.").kind
    'text'

    Args:
        kind: "status" (a word on what is being done), "sources" (with ``passages``), "text" or "done" (with
            ``response``).
    """

    kind: Literal["status", "sources", "text", "done"]
    text: str = ""
    passages: list[Passage] = field(default_factory=list)
    response: Any = None


async def at_end(events: AsyncGenerator[Event, None]) -> tuple[list[Passage], Any]:
    """Read an answer's events to the last one; return its passages and its response.

    >>> async def events():
    ...     yield Event("status", "searching")
    ...     yield Event("text", "It opens at 6.")
    ...     yield Event("done", response="the response")
    >>> asyncio.run(at_end(events()))
    ([], 'the response')

    Raises:
        Problem: as ``Service.ask``, or it ended without a response.
    """
    passages: list[Passage] = []
    async with contextlib.aclosing(events):
        async for event in events:
            if event.kind == "sources":
                passages = event.passages
            elif event.kind == "done":
                return passages, event.response
    raise Problem("internal", "the answer ended without a result")


class ServedAnswers:
    """Write answers, each in a place of the language model's pool.

    Args:
        library: the open collections and models.
        way: how the steps of an answer run beside the event loop.
        on_first_word: called with a collection and the seconds until an answer's first word.
    """

    def __init__(self, library: Library, way: Awaiting, on_first_word: Callable[[str, float], None]) -> None:
        self.library, self._way, self._on_first_word = library, way, on_first_word
        self._running: set[asyncio.Queue[Event | BaseException]] = set()
        settings = library.settings
        answer = settings.answer.model_copy(update={"unsupported": settings.serve.unsupported})
        self._settings: Settings = settings.model_copy(update={"answer": answer})

    def end(self) -> None:
        """End all answers that are being written with an error that says so."""
        for events in list(self._running):
            events.put_nowait(Problem("draining", "the server is stopping", "ask again", retry_after=5))

    async def events(
        self, pool: FairPool, owner: str, question: Question, span: RequestSpan, *, first: float, whole: float
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of an answer, the last one "done"; see ``Service.ask``.

        Raises:
            Problem: the question was refused, or the answer failed or was late.
        """
        events: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        doing = "searching"
        started = time.monotonic()
        yield Event("status", doing)
        self._running.add(events)
        work = functools.partial(self._answer, question, events.put_nowait, span, started + first)
        task = asyncio.ensure_future(pool.run_async(owner, work, deadline=first))
        task.add_done_callback(lambda done: _report(done, events))
        spoken = False
        try:
            while True:
                limit = whole if spoken else first + SETTLE_SECONDS
                left = started + limit - time.monotonic()
                try:
                    event = await asyncio.wait_for(events.get(), min(max(0.01, left), KEEP_ALIVE))
                except TimeoutError:
                    if left > KEEP_ALIVE:
                        yield Event("status", doing)
                        continue
                    raise Problem("deadline", f"the answer took longer than {limit:.0f} s", "try again") from None
                if isinstance(event, BaseException):
                    raise problem_of(event) from event
                if event.kind == "text" and not spoken:
                    spoken = True
                    self._on_first_word(question.label, time.monotonic() - started)
                doing = "answering"
                yield event
                if event.kind == "done":
                    return
        finally:
            self._running.discard(events)
            task.cancel()

    async def _answer(
        self, question: Question, send: Callable[[Event], None], span: RequestSpan, first_until: float
    ) -> None:
        """Retrieve and write. Cancelling closes the model's stream at once, even while the model reads the prompt.

        A model that has written no sentence by ``first_until`` is stopped like that, and the documents' own sentences
        are the answer: what was found is not lost on a slow machine.
        """
        begun = time.monotonic()
        engine = await self._way.compute(self._engine, question)
        if question.history:
            history = [ChatMessage(role=MessageRole(role), content=text) for role, text in question.history]
            stream = await RagChatEngine(engine).astream(question.text, chat_history=history)
        else:
            stream = await engine.astream(question.text)
        send(Event("sources", passages=list(stream.passages)))
        async with contextlib.aclosing(stream.atokens()) as pieces:
            try:
                async with asyncio.timeout(max(0.01, first_until - time.monotonic())):
                    piece = await anext(pieces, None)
            except TimeoutError:
                failure = LLMTimeoutError(
                    f"the language model wrote no sentence in {time.monotonic() - begun:.0f} s",
                    remedy="take a smaller model, or raise serve.first_word_seconds",
                )
                send(Event("text", str((await self._way.compute(stream.settle, failure)).response)))
            else:
                if piece is not None:
                    send(Event("text", piece))
                async for piece in pieces:
                    send(Event("text", piece))
        response = stream.response
        if response is not None:
            metadata = dict(response.metadata or {})
            found = metadata.get("trace") or {}
            span.found(stream.passages)
            span.answered(metadata, str(response.response))
            candidates = found.get("candidates") or ()
            span.stages(found.get("timings_ms") or {}, stream.passages, found.get("llm") or {}, candidates)
        send(Event("done", response=response))

    def _engine(self, question: Question) -> RagQueryEngine:
        index = self.library.several(question.names)
        checks: Any = [] if question.keep is None else [_KeepOnly(question.keep)]
        engine = build_query_engine(
            index,
            llm=tuned(self.library.llm, question.model_options),
            settings=self._settings,
            hyde=question.hyde,
            rerank=False if question.rerank is False or self.library.reranker is None else self.library.reranker,
            filters=question.filters,
            node_postprocessors=checks,
            **question.options(),
        )
        engine.steps.prompts.instructions = question.instructions
        engine.awaiting = self._way
        return engine


class _KeepOnly:
    """Leaves out the candidates that a filter's check refuses, where the engine cannot ask all of the filter."""

    def __init__(self, keep: Callable[[dict[str, Any], str], bool]) -> None:
        self._keep = keep

    def postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: Any = None) -> list[NodeWithScore]:
        return [node for node in nodes if self._keep(node.node.metadata, node.node.ref_doc_id or "")]


def _report(task: asyncio.Future[Any], events: asyncio.Queue[Event | BaseException]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        events.put_nowait(error)
