"""HybridSearch: question -> both legs -> fused -> windows -> reranked candidates. It does not load LlamaIndex."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexes import Index
from indexes.display import Bilingual, text_in
from indexes.encoders.base import Encoded
from indexes.text.characters import valid
from rag import instrumentation
from rag.instrumentation import span
from rag.retrieval.candidate import Candidate
from rag.retrieval.hyde import HypothesisWriter, asked_vector, looks_weak, widen
from rag.retrieval.question import (
    QueryLike,
    as_query,
    encode_documents,
    encode_question,
    encode_together,
    note_encoded,
)
from rag.retrieval.stages import find, find_together, order
from rag.retrieval.wider import QuestionWriter, fed_back, joined, other_questions
from rag.retrieval.windows import Windows
from rag.settings import Settings
from rag.trace import NoteKind, Trace
from rag.ways import AWAITING, BLOCKING, Way, run_now

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.vector_stores import MetadataFilters

TOGETHER = 64  # questions searched in one call


@dataclass(slots=True)
class SearchResult:
    """What one question found.

    Args:
        query: the question.
        candidates: all that either leg found, best first; ``window`` is the text that an answer would read.
        windows: candidate id -> the sentences of its window, fetched at first access, so while the index is open.
        trace: what each stage did.
        dense: the question's vector without HyDE, float32 (dim,).
    """

    query: str
    candidates: list[Candidate]
    windows: Windows
    trace: Trace
    dense: NDArray[np.float32]


class HybridSearch:
    """Dense and sparse search over one collection, fused in Python so that ties always have the same order.

    Args:
        index: an open Index.
        settings: ``retrieval``, ``hyde`` and ``rerank`` are used.
        reranker: any LlamaIndex node postprocessor; ours (``rag.rerankers``) also set the raw score.
        write_hypothesis: writes HyDE's documents; needed unless ``settings.hyde.mode`` is "off".
        write_questions: translates or rephrases the question; needed if ``retrieval.translate`` or
            ``retrieval.phrasings`` is set.
        filters: LlamaIndex metadata filters for every question.
        node_postprocessors: applied in order, after the reranker.
        callback_manager: LlamaIndex's, if there is one.
    """

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
        callback_manager: CallbackManager | None = None,
    ) -> None:
        self.callback_manager = callback_manager
        self.node_postprocessors = list(node_postprocessors)
        self.notes: list[str] = []  # on how it was built; copied into every trace
        self.index = index
        self.settings = settings
        self.reranker = reranker
        self.filters = filters
        self._write_hypothesis = write_hypothesis
        self._write_questions = write_questions

    def search(
        self, question: str | QueryLike, filters: MetadataFilters | None = None, *, trace: Trace | None = None
    ) -> SearchResult:
        """Run every stage for one question.

        Args:
            filters: LlamaIndex metadata filters, applied to both legs; default: those of the constructor.
            trace: trace to write into; default: a new one.
        """
        return run_now(self.search_by(BLOCKING, question, filters, trace=trace))

    async def asearch(
        self, question: str | QueryLike, filters: MetadataFilters | None = None, *, trace: Trace | None = None
    ) -> SearchResult:
        """Search without blocking the event loop: HyDE's model is awaited, computation runs in a thread."""
        return await self.search_by(AWAITING, question, filters, trace=trace)

    def search_all(
        self,
        questions: Sequence[str | QueryLike],
        filters: MetadataFilters | None = None,
        *,
        traces: Sequence[Trace] | None = None,
    ) -> list[SearchResult]:
        """Search for many questions; return a result per question, in their order.

        Questions are encoded in batches, which takes a fraction of the time, and a Qdrant server is asked for up to
        64 of them in one call; the stages "encode", "search" and "fuse" of each are its share. On the embedded engine
        they are searched one after the other, since it is no faster at many at once (8.1 against 8.5 ms per question
        at 50,000 sentences) and stops all other threads during a call.

        Args:
            filters: as for ``search``.
            traces: a trace for each question to write into; default: new ones.
        """
        asked = [as_query(question) for question in questions]
        if not asked:
            return []
        written = list(traces) if traces is not None else [Trace(question.query_str) for question in asked]
        whole = Trace("")  # of all together

        def noted(sentence: str, kind: NoteKind = "other") -> None:
            for trace in written:
                trace.note(sentence, kind)

        with whole.stage("encode"):
            encoded = encode_together(self.index, self.callback_manager, [valid(one.query_str) for one in asked])
        first: list[list[Candidate] | None] = [None] * len(asked)
        if self._may_search_together(asked):
            first = []
            for start in range(0, len(asked), TOGETHER):
                some = encoded[start : start + TOGETHER]
                chosen = filters or self.filters
                first += find_together(self.index.store, self.settings.retrieval, some, chosen, whole, noted)
        for trace in written:
            trace.timings_ms |= {name: round(spent / len(asked), 3) for name, spent in whole.timings_ms.items()}
        rows = zip(asked, written, encoded, first, strict=True)
        return [
            run_now(self.search_by(BLOCKING, one, filters, trace=trace, encoded=vectors, found_first=found))
            for one, trace, vectors, found in rows
        ]

    def _may_search_together(self, questions: Sequence[QueryLike]) -> bool:
        """Return whether a call for several questions saves time, and each is searched with its own vector."""
        own = all(one.embedding is None and not one.custom_embedding_strs for one in questions)
        return own and self.settings.hyde.mode != "on" and self.index.store.takes_many

    @span
    async def search_by(
        self,
        way: Way,
        question: str | QueryLike,
        filters: MetadataFilters | None = None,
        *,
        trace: Trace | None = None,
        reported: bool = False,
        encoded: Encoded | None = None,
        found_first: list[Candidate] | None = None,
    ) -> SearchResult:
        """Search blocking or awaiting, as ``way`` says; ``search`` and ``asearch`` call it.

        Args:
            reported: whether the caller reports the retrieval to LlamaIndex's instrumentation.
            encoded: the question's vectors, if they are known.
            found_first: what the search with these vectors found, if it was made.
        """
        bundle = as_query(question)
        question, filters, trace = valid(bundle.query_str), filters or self.filters, trace or Trace(bundle.query_str)
        retrieval, hyde, manager = self.settings.retrieval, self.settings.hyde, self.callback_manager
        with instrumentation.retrieval(manager, bundle, silent=reported) as ended:
            for note in (*self.index.notes, *self.notes):
                trace.note(note, "settings")
            if encoded is None:
                encoded = await way.compute(encode_question, self.index, manager, question, retrieval.fusion, trace)
            else:
                note_encoded(self.index, encoded, retrieval.fusion, trace)
            dense = own = encoded.dense[0]
            sparse = encoded.sparse[0] if encoded.sparse is not None else None
            encode = partial(encode_documents, self.index, manager)
            widened = partial(
                widen, question, own, encode=encode, write=self._write_hypothesis, settings=hyde, trace=trace, way=way
            )
            replaced = await way.compute(partial(asked_vector, bundle, question, own, encode=encode, trace=trace))
            if replaced is not None:
                dense = replaced
            elif hyde.mode == "on":
                dense = await widened()
            found = partial(way.compute, find, self.index.store, retrieval)
            rankings = [found_first if found_first is not None else await found(dense, sparse, filters, trace)]
            others = await other_questions(
                question, self.index.store, retrieval=retrieval, write=self._write_questions, trace=trace, way=way
            )
            for other in others:
                read = await way.compute(encode_question, self.index, manager, other, retrieval.fusion, trace)
                rankings.append(await found(read.dense[0], read.sparse[0] if read.sparse else None, filters, trace))
            candidates = joined(rankings)
            if hyde.mode == "auto" and replaced is None:
                both = retrieval.fusion not in ("dense", "sparse") and sparse is not None
                reason = looks_weak(candidates, weak_below=hyde.weak_below, both_legs=both)
                if reason:
                    trace.note(
                        Bilingual(f"HyDE was used because {reason}", f"使用了 HyDE：{text_in(reason, 'zh')}"),
                        "hyde",
                    )
                    dense = await widened()
                    if dense is not own:
                        rankings[0] = await found(dense, sparse, filters, trace)
                        candidates = joined(rankings)
            if retrieval.feedback and retrieval.fusion != "sparse":
                moved = await way.compute(fed_back, self.index.store, dense, candidates, retrieval)
                if moved is not None:
                    rankings[0] = await found(moved, sparse, filters, trace)
                    candidates = joined(rankings)
            stages = partial(order, self.index.store, self.settings, self.reranker, self.node_postprocessors, manager)
            candidates, windows = await way.compute(stages, question, candidates, trace)
            trace.found(lambda: [candidate.to_trace() for candidate in candidates])
            ended(lambda: [candidate.to_node() for candidate in candidates])
        return SearchResult(question, candidates, windows, trace, own)
