"""A reranker inside LlamaIndex: what it reads, the order it gives, and what it leaves alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import Response
from llama_index.core.llms.mock import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode

from indexes.errors import RerankerError
from rag.rerankers import Reranker, RerankScores, build_reranker
from rag.settings import RerankSettings
from tests.rag.rerankers.rerank_fixtures import PASSAGES, QUESTIONS, FakeRerankServer


class LengthReranker(Reranker):
    """The simplest true reranker: longer texts score higher."""

    @property
    def name(self) -> str:
        return "length"

    @property
    def fingerprint(self) -> str:
        return "0" * 16

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        raw = np.array([len(text) for text in texts], np.float32)
        return RerankScores(raw, raw / 1000)


def nodes(*texts: str, windows: Sequence[str] = ()) -> list[NodeWithScore]:
    made = [TextNode(id_=f"n{i}", text=text) for i, text in enumerate(texts)]
    for node, window in zip(made, windows, strict=False):
        node.metadata["window"] = window
    return [NodeWithScore(node=node, score=0.1) for node in made]


def ids(found: Sequence[NodeWithScore]) -> list[str]:
    return [node.node.node_id for node in found]


def test_order_score_and_raw() -> None:
    given = nodes("bb", "a", "cccc")
    found = LengthReranker().postprocess_nodes(given, query_str="q")
    assert ids(found) == ["n2", "n0", "n1"]
    assert found[0].score == pytest.approx(0.004)
    assert found[0].node.metadata["rerank_raw"] == 4.0
    assert "rerank_raw" not in found[0].node.get_content(MetadataMode.LLM)
    assert "rerank_raw" not in found[0].node.get_content(MetadataMode.EMBED)


def test_given_nodes_are_left_alone() -> None:
    given = nodes("bb", "a")
    LengthReranker().postprocess_nodes(given, query_str="q")
    assert [node.score for node in given] == [0.1, 0.1]
    assert all("rerank_raw" not in node.node.metadata for node in given)


def test_ties_by_id_and_top_n() -> None:
    given = nodes("aa", "bb", "cc")[::-1]
    assert ids(LengthReranker().postprocess_nodes(given, query_str="q")) == ["n0", "n1", "n2"]
    assert ids(LengthReranker(top_n=2).postprocess_nodes(given, query_str="q")) == ["n0", "n1"]


def test_window_or_sentence() -> None:
    given = nodes("long sentence", "s", "middle", windows=["w", "a very long window"])
    assert ids(LengthReranker().postprocess_nodes(given, query_str="q")) == ["n1", "n2", "n0"]
    assert ids(LengthReranker(read="sentence").postprocess_nodes(given, query_str="q")) == ["n0", "n2", "n1"]


def test_no_nodes_and_no_question() -> None:
    assert LengthReranker().postprocess_nodes([], query_str="q") == []
    with pytest.raises(RerankerError, match="without a question"):
        LengthReranker().postprocess_nodes(nodes("a"))


def test_a_score_that_is_no_number_is_refused() -> None:
    class Broken(LengthReranker):
        def score(self, query: str, texts: Sequence[str]) -> RerankScores:
            raw = np.full(len(texts), np.nan, np.float32)
            return RerankScores(raw, raw)

    with pytest.raises(RerankerError, match="returned nan for text 0"):
        Broken().postprocess_nodes(nodes("a"), query_str="q")


def test_async() -> None:
    found = asyncio.run(LengthReranker().apostprocess_nodes(nodes("a", "bb"), query_str="q"))
    assert ids(found) == ["n1", "n0"]


def test_in_a_stock_query_engine(xlmr_folder: Path) -> None:
    class Fixed(BaseRetriever):
        def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
            return nodes(*PASSAGES[:6])

    reranker = build_reranker(RerankSettings(model=str(xlmr_folder), device="cpu", dtype="float32"))
    assert reranker is not None
    reranker.top_n = 3
    engine = RetrieverQueryEngine.from_args(Fixed(), llm=MockLLM(), node_postprocessors=[reranker])
    response = engine.query(QUESTIONS[0])
    assert isinstance(response, Response)
    raw = reranker.score(QUESTIONS[0], PASSAGES[:6]).raw
    assert ids(response.source_nodes) == [f"n{i}" for i in np.argsort(-raw)[:3]]


def test_none_and_no_heavy_import(rerank_server: FakeRerankServer) -> None:
    assert build_reranker(RerankSettings(provider="none")) is None
    code = (
        "import sys; from rag.rerankers import build_reranker; from rag.settings import RerankSettings; "
        "build_reranker(RerankSettings(provider='api', base_url='http://127.0.0.1:1')); "
        "print([m for m in ('torch', 'transformers', 'FlagEmbedding') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
