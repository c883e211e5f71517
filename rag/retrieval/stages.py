"""The stages from the question's vectors to the candidates in their final order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexes.display import Bilingual
from indexes.encoders.base import Encoded, SparseVector
from indexes.errors import RerankerError
from indexes.store.collection import Collection
from indexes.store.filters import are_conditions
from indexes.store.metadata_keys import unknown_keys
from rag.retrieval.candidate import Candidate
from rag.retrieval.diversity import diversified
from rag.retrieval.rerank import postprocess, rerank
from rag.retrieval.windows import Windows, spread
from rag.settings import RetrievalSettings, Settings
from rag.trace import Trace

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.vector_stores import MetadataFilters


def find(
    store: Collection,
    retrieval: RetrievalSettings,
    dense: NDArray[np.float32],
    sparse: SparseVector | None,
    filters: MetadataFilters | None,
    trace: Trace,
) -> list[Candidate]:
    """Search both legs and fuse them; return the candidates, best first.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> from indexes.store.search import HybridHit
    >>> record = SentenceRecord("harbour.md", 0, "The harbour opens at 6.")
    >>> store = SimpleNamespace(hybrid_search=lambda *_, **__: [HybridHit(record.id, 0.9, record.to_payload())])
    >>> found = find(store, RetrievalSettings(), np.ones(3, np.float32), None, None, Trace("When?"))
    >>> [(candidate.record.text, candidate.score) for candidate in found]
    [('The harbour opens at 6.', 0.9)]
    """
    _note_unknown(store, filters, trace.note)
    hits = store.hybrid_search(
        dense,
        sparse,
        limit=retrieval.top_k,
        filters=filters,
        stage=trace.stage,
        note=trace.note,
        **retrieval.fusing,
    )
    return [Candidate.of_hit(hit) for hit in hits]


def find_together(
    store: Collection,
    retrieval: RetrievalSettings,
    questions: Sequence[Encoded],
    filters: MetadataFilters | None,
    whole: Trace,
    note: Callable[..., object],
) -> list[list[Candidate]]:
    """Search as ``find`` does, for several questions in one call of the engine.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> from indexes.store.search import HybridHit
    >>> record = SentenceRecord("harbour.md", 0, "The harbour opens at 6.")
    >>> hits = [HybridHit(record.id, 0.9, record.to_payload())]
    >>> store = SimpleNamespace(hybrid_searches=lambda asked, **_: [hits for _ in asked])
    >>> questions, whole = [Encoded(np.ones((1, 3), np.float32))] * 2, Trace("")
    >>> [len(found) for found in find_together(store, RetrievalSettings(), questions, None, whole, whole.note)]
    [1, 1]

    Args:
        whole: receives the times of all questions together.
        note: called with each note, which is one on all of them.
    """
    _note_unknown(store, filters, note)
    asked = [(one.dense[0], one.sparse[0] if one.sparse is not None else None) for one in questions]
    options: dict[str, Any] = {"filters": filters, "stage": whole.stage, "note": note}
    found = store.hybrid_searches(asked, limit=retrieval.top_k, **options, **retrieval.fusing)
    return [[Candidate.of_hit(hit) for hit in hits] for hits in found]


def _note_unknown(store: Collection, filters: MetadataFilters | None, note: Callable[..., object]) -> None:
    if filters is not None and are_conditions(filters):
        for unknown in unknown_keys(store, filters):
            note(unknown)


def order(
    store: Collection,
    settings: Settings,
    reranker: Any,
    postprocessors: Sequence[Any],
    manager: CallbackManager | None,
    question: str,
    candidates: list[Candidate],
    trace: Trace,
) -> tuple[list[Candidate], Windows]:
    """Rerank, diversify and postprocess candidates; return them in their final order, and their windows.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> scores = SimpleNamespace(raw=np.array([-1, 2]), probability=np.array([0.25, 0.875]), truncated=())
    >>> found = [Candidate(SentenceRecord("a.md", i, text), 0.5) for i, text in enumerate(["Fees.", "It opens at 6."])]
    >>> store = SimpleNamespace(windows=lambda records, size: {record.id: [record] for record in records})
    >>> model = SimpleNamespace(score=lambda question, texts: scores)
    >>> ordered, windows = order(store, Settings(), model, (), None, "When?", found, Trace("When?"))
    >>> [candidate.record.text for candidate in ordered], [record.text for record in windows[ordered[0].id]]
    (['It opens at 6.', 'Fees.'], ['It opens at 6.'])

    Args:
        reranker: a LlamaIndex node postprocessor or None; if it fails, the fused order is kept, with a note.
        candidates: all that either leg found, in the fused order.
    """
    with trace.stage("windows"):
        windows = Windows(store, candidates, settings.retrieval.window)
        for candidate in candidates:
            candidate.windows = windows
        kept = spread(candidates, settings.retrieval.per_document)[: settings.rerank.depth]
        if reranker is not None and settings.rerank.read == "window":
            windows.fetch([candidate.id for candidate in kept])
        elif postprocessors:
            windows.fetch([candidate.id for candidate in candidates])
    if reranker is not None and candidates:
        with trace.stage("rerank"):
            try:
                candidates = rerank(reranker, question, kept, settings.rerank, trace, manager)
            except RerankerError as error:
                trace.note(
                    Bilingual(
                        f"the passages are in search order because reranking failed: {error}",
                        f"重排失败，段落按检索的次序排列：{error}",
                    ),
                    "rerank_failed",
                )
    if settings.retrieval.diversity:
        with trace.stage("diversify"):
            vectors = store.dense_vectors([candidate.id for candidate in candidates])
            candidates = diversified(candidates, vectors, settings.retrieval.diversity)
    for postprocessor in postprocessors:
        with trace.stage("postprocess"):
            candidates = postprocess(postprocessor, question, candidates, trace)
    return candidates, windows
