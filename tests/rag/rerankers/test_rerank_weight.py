"""rerank.weight: the reranker's and the fused score decide together, and thresholds keep their meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import Document, NodeWithScore, QueryBundle

from indexes import Index, build_index
from rag import load_settings
from rag.rerankers import Reranker, RerankScores
from rag.retrieval.hybrid import HybridRetriever
from rag.settings import Settings

TEXTS = {
    "ferry": "The ferry to the island leaves twice a day in winter.",
    "bread": "A bakery by the harbour sells warm bread before the ferry leaves.",
    "lamp": "The keeper lights the lamp every evening at six.",
}
QUESTION = "When does the ferry leave in winter?"


class Backwards(Reranker):
    """Prefers what has fewest words of the question."""

    @property
    def name(self) -> str:
        return "backwards"

    @property
    def fingerprint(self) -> str:
        return "b" * 16

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        words = set(query.lower().strip("?").split())
        raw = np.array([-len(words & set(text.lower().strip(".").split())) for text in texts], np.float32)
        return RerankScores(raw, 1 / (1 + np.exp(-raw)))


class ForeignBackwards(BaseNodePostprocessor):
    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return [NodeWithScore(node=n.node, score=float(i)) for i, n in enumerate(nodes)][::-1]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path = str(tmp_path_factory.mktemp("weight"))
    settings = load_settings(profile="offline", **{"store.path": path, "encoder.provider": "minilm"})
    documents = [Document(id_=name, text=text, metadata={"source": name}) for name, text in TEXTS.items()]
    with build_index(documents, settings=settings) as built:
        yield built


def settings_with(weight: float) -> Settings:
    return load_settings(profile="offline", **{"rerank.weight": weight, "encoder.provider": "minilm"})


def search(index: Index, weight: float, reranker: object) -> list:
    return HybridRetriever(index, settings=settings_with(weight), reranker=reranker).search(QUESTION).candidates


@pytest.mark.parametrize("reranker", [Backwards(), ForeignBackwards()])
def test_the_ends_are_one_score_alone(index: Index, reranker: object) -> None:
    fused = [c.record.doc_id for c in search(index, 1.0, None)]
    assert fused[0] == "ferry"
    alone = [c.record.doc_id for c in search(index, 1.0, reranker)]
    assert alone[-1] == "ferry"
    assert [c.record.doc_id for c in search(index, 0.0, reranker)] == fused


def test_a_blend_is_the_weighted_mean_and_the_probability_stays(index: Index) -> None:
    alone = {c.id: c for c in search(index, 1.0, Backwards())}
    blended = search(index, 0.3, Backwards())
    assert all(c.blended_score is None and c.score == c.rerank_score == c.confidence for c in alone.values())

    def stretched(values: dict[str, float]) -> dict[str, float]:
        low, high = min(values.values()), max(values.values())
        return {name: (value - low) / (high - low) for name, value in values.items()}

    model = stretched({c.id: c.rerank_raw for c in blended})
    first = stretched({c.id: c.fused_score for c in blended})
    for candidate in blended:
        assert candidate.score == pytest.approx(0.3 * model[candidate.id] + 0.7 * first[candidate.id])
        assert candidate.confidence == candidate.rerank_score == alone[candidate.id].rerank_score
        assert candidate.to_trace().blended_score == candidate.score
    assert [c.score for c in blended] == sorted((c.score for c in blended), reverse=True)


def test_with_a_scale_raw_scores_are_not_stretched() -> None:
    from rag.retrieval.rerank import blend

    model, first = [("a", 2.0), ("b", -1.0), ("c", 0.0)], [("a", 3.0), ("b", 5.0), ("c", 4.0)]
    assert blend(model, first, weight=0.5, scale=10.0) == pytest.approx({"a": 0.1, "b": 0.45, "c": 0.25})
    assert blend(model, first, weight=0.5, scale=None) == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.25 + 1 / 6})


def test_the_trace_names_the_shares(index: Index) -> None:
    trace = HybridRetriever(index, settings=settings_with(0.3), reranker=Backwards()).search(QUESTION).trace
    assert any("0.3 of the reranker's score and 0.7" in note for note in trace.notes)


def test_abstention_compares_the_probability_and_not_the_blend(index: Index, tmp_path: Path) -> None:
    from rag.answer_steps import AnswerSteps
    from rag.ways import BLOCKING, run_now

    settings = settings_with(0.5).model_copy(
        update={"answer": settings_with(0.5).answer.model_copy(update={"abstain_below": 0.9})}
    )
    retriever = HybridRetriever(index, settings=settings, reranker=Backwards())
    steps = AnswerSteps(retriever, settings, None, lambda text, passages, metadata: text)
    prepared = run_now(steps.prepare(QUESTION, None, None, BLOCKING))
    assert max(passage.score for passage in prepared.passages) >= 0.5  # the blend: near 1 for the best of any question
    assert prepared.decision == "not_found"  # no candidate's own probability reaches 0.9
