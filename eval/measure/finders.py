"""Finders: one small class per kind of pipeline, each called as ``find(query_id, question) -> QueryResult``."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.dataset import Dataset
from eval.gold import first_window
from eval.measure.finder import (
    SHOWN,
    SHOWN_CHARS,
    TRACED,
    Finder,
    QueryResult,
    name_of,
    notes_of_questions,
    parallel_of,
)
from eval.measure.to_documents import Lifter
from indexes.encoders.cache import CachedEncoder, CachedPaired
from indexes.errors import RerankerError, SettingsError, SourceError
from indexes.ingest.node_counts import recorded_counts

TOGETHER = 64  # questions per call: one batch of the encoder, and small enough to show progress
CROWDED = 0.1  # documents per candidate; fewer suggest that a few long documents crowd out the others

if TYPE_CHECKING:
    from rag.retrieval.candidate import Candidate
    from rag.retrieval.hybrid import SearchResult


def finder(pipeline: Any, dataset: Dataset, *, cache: str | Path | None = None) -> Finder:
    """Return the finder for a pipeline.

    >>> dataset = Dataset("mine", {}, {"q1": "When?"}, {"q1": {"d1": 1}})
    >>> type(finder(lambda question: [("d1", 0.9)], dataset)).__name__
    'FunctionFinder'
    >>> finder("minilm", dataset)
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: a str cannot be measured; pass a retriever, a query engine, an embedder, a reranker, a
     function or a saved run

    Raises:
        SettingsError: pipelines of this type cannot be measured.
    """
    from llama_index.core.base.base_query_engine import BaseQueryEngine
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.postprocessor.types import BaseNodePostprocessor

    from eval.measure.exact_search import DenseFinder, EncoderReranker, RerankFinder
    from indexes.encoders.base import Encoder
    from rag.engine import RagQueryEngine
    from rag.retrieval.hybrid import HybridRetriever

    if isinstance(pipeline, HybridRetriever):
        return HybridFinder(pipeline, dataset)
    if isinstance(pipeline, RagQueryEngine):
        return EngineFinder(pipeline, dataset)
    if isinstance(pipeline, (BaseRetriever, BaseQueryEngine)):
        return NodesFinder(pipeline, dataset)
    if isinstance(pipeline, (BaseNodePostprocessor, EncoderReranker)):
        return RerankFinder(pipeline, dataset)
    if isinstance(pipeline, (BaseEmbedding, Encoder)):
        return DenseFinder(pipeline, dataset, cache=cache)
    if callable(pipeline):
        return FunctionFinder(pipeline, dataset)
    raise SettingsError(
        f"a {type(pipeline).__name__} cannot be measured",
        remedy="pass a retriever, a query engine, an embedder, a reranker, a function or a saved run",
    )


class HybridFinder(Finder):
    """Ask our retriever; all its stages are recorded."""

    def __init__(self, retriever: Any, dataset: Dataset) -> None:
        super().__init__(dataset, Lifter(dataset, retriever.index))
        self._retriever = retriever
        self._counts: list[tuple[int, int]] = []  # candidates of a question, and the documents that they are of
        self._encoder = retriever.index.encoder
        self.parallel = parallel_of(retriever, answers=False)
        self.settings = retriever.settings.model_dump(mode="json")
        self.fingerprint = {"encoder": self._encoder.fingerprint.as_dict()}
        if retriever.reranker is not None:
            self.fingerprint["reranker"] = name_of(retriever.reranker)
        self.notes += notes_of_questions(self._encoder)
        counts = recorded_counts(retriever.index.store.record())
        if counts is not None:
            self.notes.append(str(counts))
            self.notes += [f"the collection looks as if {fault}" for fault in counts.faults()]
        if isinstance(self._encoder, CachedEncoder | CachedPaired):
            self.notes.append("encode times are from each question's first encoding, not from the cache")

    def __call__(self, query: str, text: str) -> QueryResult:
        return self.found(query, self._retriever.search(text))

    @property
    def together(self) -> int:  # type: ignore[override]
        """Number of questions per call; 1 if questions are asked concurrently."""
        return TOGETHER if self.parallel == 1 else 1

    def many(self, questions: Sequence[tuple[str, str]]) -> list[QueryResult]:
        """Return the results of several (query id, question), which are encoded in one forward pass."""
        results = self._retriever.search_all([text for _, text in questions])
        shares = [result.trace.timings_ms["encode"] for result in results]
        if isinstance(self._encoder, CachedEncoder | CachedPaired):
            # Vectors from the cache took no time now: what counts is how long they took at first.
            kept = self._encoder.last_query_ms / len(results)
            shares = [round(max(share, kept), 3) for share in shares]
        found = [self.found(query, result) for (query, _), result in zip(questions, results, strict=True)]
        for one, share in zip(found, shares, strict=True):
            one.timings_ms["encode"] = share
        return found

    def found(self, query: str, result: SearchResult) -> QueryResult:
        """Lift a search result to judged ids, with the details that ``failures`` and ``Window@k`` need.

        Raises:
            RerankerError: the reranker failed for this question. Answers tolerate that; measurements do not.
        """
        for note, kind in zip(result.trace.notes, result.trace.note_kinds, strict=True):
            if kind == "rerank_failed":
                raise RerankerError(
                    f"question {query!r} was not reranked: {note}", remedy="start the reranker and run again"
                )
        names = {c.id: self.lifter.of_record(c.record) for c in result.candidates}
        self._counts.append((len(result.candidates), len({c.record.doc_id for c in result.candidates})))
        values = [(names[c.id], c.order) for c in result.candidates]
        timings = dict(result.trace.timings_ms)
        if isinstance(self._encoder, CachedEncoder | CachedPaired) and "encode" in timings:
            timings["encode"] = round(max(timings["encode"], self._encoder.last_query_ms), 3)
        return QueryResult(self.lifter.ranking(values), timings, self._details(query, result, names))

    def closing_notes(self) -> list[str]:
        """Return how many candidates a question had, of how many documents, and whether that looks like a fault."""
        if not self._counts:
            return []
        candidates, documents = (sum(column) / len(self._counts) for column in zip(*self._counts, strict=True))
        found = [f"{candidates:.1f} candidates of {documents:.1f} documents a question, on average"]
        if documents < CROWDED * candidates and len(self.dataset.corpus) > candidates:
            found.append("a few documents fill the candidates: try a larger retrieval.top_k")
        return found

    def _details(self, query: str, result: SearchResult, names: dict[str, str]) -> dict[str, Any]:
        relevant = set(self.dataset.relevant(query))
        details: dict[str, Any] = {"prompt": self._in_prompt(result, names), "gold": {}, "found": [], "trace": []}
        seen: set[str] = set()
        for rank, candidate in enumerate(result.candidates, start=1):
            name = names[candidate.id]
            if rank <= TRACED or (name in relevant and name not in details["gold"]):
                details["trace"].append(_traced(rank, name, candidate))
            if name in relevant:
                gold = details["gold"].setdefault(name, {"rank": rank, "dense": None, "sparse": None})
                for leg, place in (("dense", candidate.dense_rank), ("sparse", candidate.sparse_rank)):
                    gold[leg] = min((p for p in (gold[leg], place) if p is not None), default=None)
            if name not in seen and len(seen) < SHOWN:
                details["found"].append({"id": name, "text": (candidate.window or candidate.record.text)[:SHOWN_CHARS]})
            seen.add(name)
        if answers := self.dataset.answers(query):
            # Only in relevant documents: a short answer such as "4" occurs in many windows.
            windows = (c.window or c.record.text if names[c.id] in relevant else "" for c in result.candidates)
            details["window_rank"] = first_window(windows, answers)
        if result.trace.notes:
            details["notes"] = list(result.trace.notes)
        if result.trace.hypothetical:
            details["hypothetical"] = list(result.trace.hypothetical)
        return details

    def _in_prompt(self, result: SearchResult, names: dict[str, str]) -> list[str]:
        """Return the judged ids of the passages that would be in the prompt, best first."""
        from rag.retrieval.windows import merge_windows, spread

        retrieval = self._retriever.settings.retrieval
        candidates = spread(result.candidates, retrieval.per_document)
        passages = merge_windows(candidates, result.windows, limit=retrieval.top_n)
        return list(dict.fromkeys(names[hit] for passage in passages for hit in passage.hits[:1]))


def _traced(rank: int, name: str, candidate: Candidate) -> dict[str, Any]:
    """Return a candidate's ranks and scores in each stage, small enough to save for every question."""
    row: dict[str, Any] = {"rank": rank, "id": name, "text": candidate.record.text[:SHOWN_CHARS]}
    row |= {"dense": candidate.dense_rank, "sparse": candidate.sparse_rank}
    values = {"fused": candidate.fused_score, "rerank": candidate.rerank_score}
    return row | {stage: round(value, 4) for stage, value in values.items() if value is not None}


class EngineFinder(HybridFinder):
    """Ask our query engine: recorded like its retriever, with the answer."""

    together = 1  # type: ignore[assignment]
    many = Finder.many

    def __init__(self, engine: Any, dataset: Dataset) -> None:
        super().__init__(engine.retriever, dataset)
        # An engine of the same parts whose retriever records its results; the caller's engine is not changed.
        self._recorder = _Recorder(engine.retriever)
        self.parallel = parallel_of(engine, answers=True)
        self._engine = type(engine)(self._recorder, settings=engine.settings, llm=engine.llm)
        self.settings = engine.settings.model_dump(mode="json")
        if engine.llm is not None:
            self.fingerprint["llm"] = engine.settings.llm.model

    def __call__(self, query: str, text: str) -> QueryResult:
        self._recorder.result = None
        response = self._engine.query(text)
        metadata = response.metadata or {}
        result = self._recorder.result
        if result is None:  # answered without a search
            return QueryResult([], dict(metadata.get("trace", {}).get("timings_ms", {})), _answer(response, metadata))
        found = self.found(query, result)
        names = {c.id: self.lifter.of_record(c.record) for c in result.candidates}
        kept = [names[node.node.node_id] for node in response.source_nodes if node.node.node_id in names]
        encode = found.timings_ms.get("encode")
        found.timings_ms = dict(metadata["trace"]["timings_ms"]) | ({"encode": encode} if encode is not None else {})
        found.details |= {"prompt": list(dict.fromkeys(kept)), **_answer(response, metadata)}
        return found


class NodesFinder(Finder):
    """Ask any other LlamaIndex retriever or query engine.

    >>> from llama_index.core.schema import NodeWithScore, TextNode
    >>> from types import SimpleNamespace
    >>> node = NodeWithScore(node=TextNode(text="It opens at 6.", metadata={"source": "harbour.md"}), score=0.9)
    >>> dataset = Dataset("mine", {}, {"q1": "When?"}, {"q1": {"harbour.md": 1}})
    >>> NodesFinder(SimpleNamespace(retrieve=lambda text: [node]), dataset)("q1", "When?").ranked
    [('harbour.md', 0.9)]
    """

    def __init__(self, pipeline: Any, dataset: Dataset) -> None:
        index = getattr(pipeline, "index", None)
        super().__init__(dataset, Lifter(dataset, index if hasattr(index, "documents") else None))
        self._pipeline = pipeline
        self._retrieves = hasattr(pipeline, "retrieve") and not hasattr(pipeline, "query")

    def __call__(self, query: str, text: str) -> QueryResult:
        started = time.perf_counter()
        details: dict[str, Any] = {}
        if self._retrieves:
            nodes = self._pipeline.retrieve(text)
        else:
            response = self._pipeline.query(text)
            nodes, details = response.source_nodes, _answer(response, response.metadata or {})
        spent = round((time.perf_counter() - started) * 1000, 3)
        # Nodes without scores are ranked in their order.
        scored = all(node.score is not None for node in nodes)
        values = [float(node.score) if scored else 1.0 / rank for rank, node in enumerate(nodes, start=1)]
        named = [self.lifter.of_node(node) for node in nodes]
        shown = dict(zip(reversed(named), reversed([node.node.get_content() for node in nodes]), strict=True))
        ranked = self.lifter.ranking(zip(named, values, strict=True))
        details["found"] = [{"id": i, "text": shown[i][:SHOWN_CHARS]} for i, _ in ranked[:SHOWN]]
        return QueryResult(ranked, {"search" if self._retrieves else "query": spent}, details)


class FunctionFinder(Finder):
    """Ask a function that maps a question to [(document id, score)].

    >>> find = FunctionFinder(lambda question: [("d1", 0.4), ("d2", 0.9)], Dataset("mine", {}, {}, {}))
    >>> find("q1", "How long?").ranked
    [('d2', 0.9), ('d1', 0.4)]
    """

    def __init__(self, function: Any, dataset: Dataset) -> None:
        super().__init__(dataset)
        self.notes = []
        self._function = function

    def __call__(self, query: str, text: str) -> QueryResult:
        started = time.perf_counter()
        found = [(str(document), float(value)) for document, value in self._function(text)]
        spent = round((time.perf_counter() - started) * 1000, 3)
        if len({document for document, _ in found}) < len(found):
            raise SourceError(
                f"the pipeline returned a document twice for query {query!r}", remedy="return each document once"
            )
        return QueryResult(self.lifter.ranking(found), {"search": spent})


class _Recorder:
    """Wrap an engine's retriever and record the last result of each thread."""

    def __init__(self, retriever: Any) -> None:
        self._retriever = retriever
        self._kept = threading.local()

    @property
    def result(self) -> SearchResult | None:
        return getattr(self._kept, "result", None)

    @result.setter
    def result(self, result: SearchResult | None) -> None:
        self._kept.result = result

    async def search_by(self, *arguments: Any, **options: Any) -> SearchResult:
        self.result = await self._retriever.search_by(*arguments, **options)
        return self.result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._retriever, name)


def _answer(response: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    found = {"answer": str(response.response or ""), "status": metadata.get("status")}
    if "citations" in metadata:
        found["citations"] = metadata["citations"]
    return {key: value for key, value in found.items() if value is not None}
