"""Searches: passages for a question, reranked if there is time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

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
        self._at_once = threading.Semaphore(SEARCHES["embedded" if self.settings.store.url is None else "server"])

    async def find(self, owner: str, question: Question, deadline: float) -> FoundPassages:
        """Find passages for a question; if the reranker is late, in the fused order, with a note.

        Args:
            owner: whose turn it is.
            deadline: seconds from now.

        Raises:
            Problem: the queue is full, or the deadline passed.
        """
        until = time.monotonic() + deadline
        reranker = None if question.rerank is False else self.library.reranker
        if reranker is not None:
            self.rerank_pool.check_room()
        result = await _within(
            until, self.search_pool.run(owner, lambda: self._retrieve(question, False), deadline=deadline)
        )
        notes: list[str] = list(result.trace.notes)
        reranked, late = False, None
        if reranker is not None and result.candidates:
            left = until - time.monotonic() - RERANK_MARGIN
            try:
                if left <= 0:
                    raise TimeoutError
                result = await asyncio.wait_for(
                    self.rerank_pool.run(owner, lambda: self._retrieve(question, True), deadline=left), left
                )
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

    def _retrieve(self, question: Question, rerank: bool) -> SearchResult:
        """Search in a thread; with ``rerank`` all stages (the question's vector is remembered)."""
        index = self.library.several(question.names)
        if self.library.encoder is not None:
            self.library.encoder.encode_queries([question.text])  # together with waiting ones; then it is remembered
        retriever = build_retriever(
            index,
            settings=self.settings,
            llm=self.library.llm,
            hyde=question.hyde,
            rerank=self.library.reranker if rerank else False,
            **question.options(),
        )
        with contextlib.nullcontext() if rerank else self._at_once:
            trace = Trace(question.text, language=detect_language(question.text))
            return retriever.search(question.text, filters=question.filters, trace=trace)


async def _within(until: float, work: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(work, max(0.01, until - time.monotonic()))
    except TimeoutError:
        raise Problem("deadline", "the search did not finish in time", "try again", retry_after=1) from None
