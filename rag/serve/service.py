"""Service: searches and answers for every door, within queues, deadlines and the rights of a key."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from llama_index.core.base.llms.types import ChatMessage, ChatResponse

from rag.api import build_retriever
from rag.llms import parallel_answers
from rag.serve.asking.answers import Event, ServedAnswers
from rag.serve.asking.searches import FoundPassages, Searches
from rag.serve.errors import Problem, problem_of
from rag.serve.keys import AccessKey
from rag.serve.library import Library
from rag.serve.pools.batched_reranker import QUESTIONS
from rag.serve.pools.fair import FIRST_GUESS, FairPool
from rag.serve.pools.language_model import pace
from rag.serve.pools.shared import SharedResults
from rag.serve.requests import Question
from rag.serve.telemetry.metrics import FAILURES, Metrics
from rag.serve.telemetry.spans import request_span
from rag.serve.wire import display_name, document_id
from rag.settings import Settings
from rag.ways import Awaiting

SEARCH_THREADS = 16  # their questions are encoded together
NAMES_SECONDS = 1.0  # for which the names of the store's collections are kept
SEARCH_QUEUE = 64
RERANK_THREADS = QUESTIONS  # their questions go through the model together, one call at a time
RERANK_QUEUE = 16
MODEL_QUEUE = 32
MODEL_SECONDS = {"llama_cpp": 20.0, "ollama": 10.0, "openai": 5.0}  # per answer, before any was measured


class Service:
    """Searches and answers of one store, for all doors.

    Args:
        library: the open collections and models.
        metrics: counts everything.
    """

    def __init__(self, library: Library, metrics: Metrics) -> None:
        self.library, self.metrics = library, metrics
        self.settings: Settings = library.settings
        self._names, self._names_read = frozenset[str](), 0.0
        self.search_pool = FairPool("search", SEARCH_THREADS, SEARCH_QUEUE, self._waited)
        self.rerank_pool = FairPool("rerank", RERANK_THREADS, RERANK_QUEUE, self._waited)
        slots = parallel_answers(self.settings.llm)
        guess = MODEL_SECONDS.get(self.settings.llm.provider, FIRST_GUESS)
        self.model_pool = FairPool("llm", slots, MODEL_QUEUE, self._waited, guess=guess)
        # What an answer computes besides the model: the search, the prompt, the check.
        self._answer_threads = ThreadPoolExecutor(SEARCH_THREADS + slots, thread_name_prefix="ragwright-answer")
        self._way = Awaiting(self._answer_threads)
        self.searches = Searches(library, self.search_pool, self.rerank_pool)
        self.answers = ServedAnswers(library, self._way, self._spoken)
        self.shared = SharedResults()
        library.on_change(lambda _: self.shared.forget())
        self.state: Literal["loading", "ready", "draining", "failing"] = "loading"
        self.failure = ""

    # -- life ----------------------------------------------------------------------------------------------------

    def warm(self, say: Callable[[str], None] = lambda step: None) -> None:
        """Load the models and run each once, so that the first request does not wait; blocking.

        Args:
            say: called with what is done next.
        """
        try:
            self.library.load(self.metrics.batch.observe, say)
            say("asking the models a first question")
            encoder = self.library.encoder
            if encoder is not None:
                encoder.encode_queries(["warm"])
            for name in self.library.names()[:1]:
                with contextlib.suppress(Exception):
                    retriever = build_retriever(self.library.index(name), settings=self.settings, rerank=False)
                    retriever.search("warm")  # opens files and loads code
                    started = time.monotonic()
                    retriever.search("How long does a question take?")
                    self.search_pool.guess(time.monotonic() - started)
            if self.library.reranker is not None and hasattr(self.library.reranker, "score"):
                self.library.reranker.score("warm", ["warm"])
            if self.settings.llm.provider == "llama_cpp" and self.library.llm is not None:
                self.model_pool.guess(pace(self.library.llm))
        except Exception as error:
            self.state, self.failure = "failing", str(problem_of(error))
            raise
        for role, seconds in self.library.load_seconds.items():
            self.metrics.model_load.labels(role).set(seconds)
        self.metrics.built(self.settings.encoder.model, self.settings.rerank.model, self.settings.llm.model)
        self.state = "ready"

    def close(self) -> None:
        """Close the pools and the store."""
        self.state = "draining"
        for pool in (self.search_pool, self.rerank_pool, self.model_pool):
            pool.close()
        self._answer_threads.shutdown(wait=True, cancel_futures=True)
        self.library.close()

    def check_ready(self) -> None:
        """Refuse while the server is loading, has failed to load, or is draining.

        Raises:
            Problem: "loading" or "draining".
        """
        if self.state == "draining":
            raise Problem("draining", "the server is stopping", "try again", retry_after=5)
        if self.state == "failing":
            raise Problem("loading", f"the server could not load its models: {self.failure}", retry_after=30)
        if self.state == "loading":
            raise Problem("loading", "the server is loading its models", "try again in a few seconds", retry_after=2)

    # -- rights --------------------------------------------------------------------------------------------------

    def collections(self, key: AccessKey) -> list[str]:
        """Return the collections that this key may access."""
        names = self.library.names()
        self._names, self._names_read = frozenset(names), time.monotonic()
        self.metrics.know(self._names)
        return [name for name in names if key.sees(name)]

    async def find_collection(self, key: AccessKey, name: str) -> str:
        """Run ``check_collection`` in a thread, since the names may come from a Qdrant server."""
        fresh = time.monotonic() - self._names_read < NAMES_SECONDS
        if fresh and name in self._names and key.sees(name):
            return name
        return await asyncio.to_thread(self.check_collection, key, name)

    def check_collection(self, key: AccessKey, name: str) -> str:
        """Refuse an unknown collection; one that the key may not access counts as unknown.

        Raises:
            Problem: "collection_not_found", with the collections of this key.
        """
        seen = self.collections(key)
        if name not in seen:
            raise Problem(
                "collection_not_found",
                f"there is no collection {name!r}",
                f"the collections are: {', '.join(seen) or 'none'}",
                param="model",
            )
        return name

    # -- search --------------------------------------------------------------------------------------------------

    async def search(self, key: AccessKey, question: Question, *, deadline: float, route: str) -> FoundPassages:
        """Search passages for a question; identical concurrent questions share one computation.

        If the reranker cannot finish before ``deadline`` (seconds from now), the passages are in the fused order, with
        a note.

        Raises:
            Problem: the queue is full, the collection is unknown, or the deadline passed.
        """
        self.check_ready()
        for name in question.names:
            await self.find_collection(key, name)
        what = (key.name, route, repr(question))
        with request_span(route, question, self.settings) as span:
            found = await self.shared.get(what, lambda: self.searches.find(key.name, question, deadline))
            timings = found.result.trace.timings_ms
            self.metrics.stages(timings, question.label)
            span.found(found.passages)
            if span.recording:
                span.stages(timings, found.passages, candidates=found.result.trace.as_dict()["candidates"])
        return found

    async def search_many(
        self, key: AccessKey, questions: Sequence[Question], *, deadline: float, route: str
    ) -> list[FoundPassages]:
        """Search passages for several questions, which differ in their words alone; raises as ``search``."""
        self.check_ready()
        for name in questions[0].names:
            await self.find_collection(key, name)
        found = await self.searches.find_many(key.name, questions, deadline)
        for question, one in zip(questions, found, strict=True):
            timings = one.result.trace.timings_ms
            self.metrics.stages(timings, question.label)
            with request_span(route, question, self.settings) as span:
                span.found(one.passages)
                if span.recording:
                    span.stages(timings, one.passages, candidates=one.result.trace.as_dict()["candidates"])
        return found

    async def document_filter(self, names: tuple[str, ...], make: Callable[[Callable[[Any], list[str]]], Any]) -> Any:
        """Return a filter of collections that may name documents by their public id or shown source.

        Args:
            make: is called with a function that maps a predicate of (public id, shown source) to stored document ids.
        """

        def chosen(holds: Callable[[str, str], bool]) -> list[str]:
            found: set[str] = set()
            for name in names:
                # Of several, one that cannot be listed cannot be searched either, and the search notes why.
                with contextlib.suppress(Exception) if len(names) > 1 else contextlib.nullcontext():
                    found.update(
                        info.doc_id
                        for info in self.library.index(name).store.documents()
                        if holds(document_id(info.doc_id), display_name(info.source or info.doc_id))
                    )
            return sorted(found)

        return await asyncio.to_thread(make, chosen)

    # -- answers -------------------------------------------------------------------------------------------------

    async def ask(
        self, key: AccessKey, question: Question, *, first: float, whole: float
    ) -> AsyncGenerator[Event, None]:
        """Yield the answer to a question as events: "status", "sources", "text" pieces, "done".

        Closing the iterator (the client left) stops the language model, even while it reads the prompt. If nothing else
        happens, the last "status" is repeated every ten seconds to keep the connection alive.

        Args:
            first: maximum seconds until the first word.
            whole: maximum seconds in all.

        Raises:
            Problem: the question was refused, or the answer failed or was late.
        """
        self.check_ready()
        for name in question.names:
            await self.find_collection(key, name)
        self.search_pool.check_room()
        pool = self.model_pool if self.library.llm is not None else self.search_pool
        pool.check_room(first)
        with request_span("ask", question, self.settings) as span:
            events = self.answers.events(pool, key.name, question, span, first=first, whole=whole)
            async with contextlib.aclosing(events):
                async for event in events:
                    if event.kind == "done":
                        self._count(event.response, question.label)
                    yield event

    async def task(self, key: AccessKey, messages: list[ChatMessage], *, deadline: float) -> ChatResponse | None:
        """Send a chat program's own task (a title, tags) to the language model; return None without a model."""
        self.check_ready()
        llm = self.library.llm
        if llm is None:
            return None
        try:
            return await self.model_pool.run_async(
                key.name, functools.partial(self._way.chat, llm, messages), deadline=deadline
            )
        except Problem:
            raise
        except Exception as error:
            from rag.llms import explain_llm_error

            explained = explain_llm_error(error, self.settings.llm)
            self.metrics.llm_errors.labels(FAILURES.get(type(explained).__name__, "other")).inc()
            raise problem_of(explained) from error

    # -- counting ------------------------------------------------------------------------------------------------

    def refresh_gauges(self) -> None:
        """Read queue lengths and collection sizes at scrape time."""
        for pool in (self.search_pool, self.rerank_pool, self.model_pool):
            self.metrics.running.labels(pool.name).set(pool.running)
            self.metrics.waiting.labels(pool.name).set(pool.waiting)
        if self.library.encoder is not None:
            self.metrics.waiting.labels("encode").set(self.library.encoder.waiting)
            self.metrics.running.labels("encode").set(self.library.encoder.running)
        for name, index in self.library.opened().items():
            self.metrics.stored.labels(name).set(index.store.count())
            self.metrics.documents.labels(name).set(sum(1 for _ in index.store.documents()))

    def _spoken(self, collection: str, seconds: float) -> None:
        self.metrics.first_token.labels(self.metrics.label(collection)).observe(seconds)

    def _waited(self, pool: str, seconds: float) -> None:
        self.metrics.stage.labels("queue", "other").observe(seconds)

    def _count(self, response: Any, collection: str) -> None:
        metadata = dict(getattr(response, "metadata", None) or {})
        self.metrics.answer(metadata, self.settings.llm.model)
        self.metrics.stages((metadata.get("trace") or {}).get("timings_ms", {}), collection)
