"""Searches: passages for a question, reranked if there is time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from indexes.display import Bilingual, text_in
from rag.answer.language import detect_language
from rag.api import build_retriever
from rag.retrieval.candidate import Passage
from rag.retrieval.hybrid import SearchResult
from rag.retrieval.repeats import distinct_passages
from rag.retrieval.windows import spread
from rag.serve.errors import Problem
from rag.serve.library import Library
from rag.serve.pools.fair import FairPool
from rag.serve.requests import Question
from rag.trace import Trace

T = TypeVar("T")
SEARCHES = {"embedded": 2, "server": 16}  # parallel in the store: the embedded engine holds the GIL during a call
PIECE = 8  # questions of one request that are searched in one turn
RERANK_MARGIN = 0.3  # seconds kept to send the answer if the reranker is late
LATE_RERANK = Bilingual(
    "the reranker did not finish in time, so the passages are in search order", "重排没有及时完成，段落按检索的次序排列"
)


@dataclass(slots=True)
class FoundPassages:
    """The passages that a search found, numbered, best first, and how they were found.

    Args:
        late: why they are in search order, if the reranker was too slow.
    """

    passages: list[Passage]
    result: SearchResult
    notes: list[str] = field(default_factory=list)
    reranked: bool = False
    late: str | None = None


class Searches:
    """Search in two pools: one for store and encoder, one for the reranker.

    Args:
        library: the open collections and models.
    """

    def __init__(self, library: Library, search_pool: FairPool, rerank_pool: FairPool) -> None:
        self.library, self.settings = library, library.settings
        self.search_pool, self.rerank_pool = search_pool, rerank_pool
        store = self.settings.store
        at_once = SEARCHES["server"] if store.url is not None else max(SEARCHES["embedded"], store.searchers)
        self._at_once = threading.Semaphore(at_once)

    async def find(self, owner: str, question: Question, deadline: float) -> FoundPassages:
        """Find passages for a question; if the reranker is late, in the fused order, with a note.

        Args:
            owner: whose turn it is.
            deadline: seconds from now.

        Raises:
            Problem: the queue is full, or the deadline passed.
        """
        until = time.monotonic() + deadline
        if self._reranker_of(question) is not None:
            self.rerank_pool.check_room()
        work = self.search_pool.run(owner, lambda: self._retrieve([question], False), deadline=deadline)
        [result] = await _within(until, work)
        return await self._ordered(owner, question, result, until)

    async def find_many(self, owner: str, questions: Sequence[Question], deadline: float) -> list[FoundPassages]:
        """Find passages for several questions, which differ in their words alone; arguments and errors as in ``find``.

        They take turns with other requests in pieces, are encoded together, and searched side by side where the engine
        allows that; a Qdrant server is asked once a piece.
        """
        until = time.monotonic() + deadline
        pieces = [questions[start : start + PIECE] for start in range(0, len(questions), PIECE)]
        work = [
            self.search_pool.run(owner, functools.partial(self._retrieve, piece, False), deadline=deadline)
            for piece in pieces
        ]
        results = [result for piece in await _within(until, gathered(work)) for result in piece]
        few = asyncio.Semaphore(self.rerank_pool.size)  # so that one request does not fill the reranker's queue

        async def ordered(question: Question, result: SearchResult) -> FoundPassages:
            async with few:
                return await self._ordered(owner, question, result, until)

        return await gathered([ordered(*pair) for pair in zip(questions, results, strict=True)])

    def _reranker_of(self, question: Question) -> Any:
        return None if question.rerank is False else self.library.reranker

    async def _ordered(self, owner: str, question: Question, result: SearchResult, until: float) -> FoundPassages:
        """Rerank what a search found, if there is time, and make passages of it."""
        notes: list[str] = list(result.trace.notes)
        reranked, late = False, None
        if self._reranker_of(question) is not None and result.candidates:
            left = until - time.monotonic() - RERANK_MARGIN
            try:
                if left <= 0:
                    raise TimeoutError
                work = self.rerank_pool.run(owner, lambda: self._retrieve([question], True), deadline=left)
                [result] = await asyncio.wait_for(work, left)
                notes, reranked = list(result.trace.notes), True
            except (TimeoutError, Problem) as error:
                if isinstance(error, Problem) and error.code not in ("deadline", "busy"):
                    raise
                late = text_in(LATE_RERANK, detect_language(question.text))
                notes.append(late)
        limit = question.top_k or self.settings.retrieval.top_n
        candidates = result.candidates
        if question.keep is not None:
            candidates = [
                candidate
                for candidate in candidates
                if question.keep(candidate.record.metadata, candidate.record.doc_id)
            ]
        candidates = spread(candidates, self.settings.retrieval.per_document)
        passages = distinct_passages(candidates, result.windows, limit=limit)
        return FoundPassages(passages, result, notes, reranked, late)

    def _retrieve(self, questions: Sequence[Question], rerank: bool) -> list[SearchResult]:
        """Search in a thread; with ``rerank`` all stages (the questions' vectors are remembered)."""
        first = questions[0]
        index = self.library.several(first.names)
        texts = [question.text for question in questions]
        if self.library.encoder is not None:
            self.library.encoder.encode_queries(texts)  # together with waiting ones; then they are remembered
        retriever = build_retriever(
            index,
            settings=self.settings,
            llm=self.library.llm,
            hyde=first.hyde,
            rerank=self.library.reranker if rerank else False,
            **first.options(),
        )
        with contextlib.nullcontext() if rerank else self._at_once:
            traces = [Trace(text, language=detect_language(text)) for text in texts]
            if len(texts) == 1:
                return [retriever.search(texts[0], filters=first.filters, trace=traces[0])]
            return retriever.search_all(texts, filters=first.filters, traces=traces)


async def gathered(work: Sequence[Awaitable[T]]) -> list[T]:
    """Await all of them together; if one fails, cancel the others and raise its error.

    >>> async def double(number: int) -> int:
    ...     return 2 * number
    >>> asyncio.run(gathered([double(1), double(2)]))
    [2, 4]
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def _within(until: float, work: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(work, max(0.01, until - time.monotonic()))
    except TimeoutError:
        raise Problem("deadline", "the search did not finish in time", "try again", retry_after=1) from None
