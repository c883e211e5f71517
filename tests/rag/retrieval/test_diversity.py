"""MMR prefers what says something else, in our engine and in the LlamaIndex store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from llama_index.core import Document

from indexes import Index, build_index
from indexes.errors import SettingsError
from indexes.nodes.record import SentenceRecord
from rag import Settings, build_query_engine, build_retriever, load_settings
from rag.cli.answering import sources_text
from rag.retrieval.candidate import Candidate
from rag.retrieval.diversity import diversified
from tests.indexes.store.test_stock import CountingWords


def candidates(*texts: str) -> list[Candidate]:
    return [
        Candidate(SentenceRecord(f"doc{number}", 0, text), score=1 - number / 10) for number, text in enumerate(texts)
    ]


def test_mmr_reorders_and_keeps_the_best_first() -> None:
    found = candidates("a", "b", "c")
    rows = np.array([[1, 0], [0.999, 0.0447], [0, 1]], np.float32)
    vectors = {candidate.id: row for candidate, row in zip(found, rows, strict=True)}
    assert [c.record.text for c in diversified(found, vectors, 0.5)] == ["a", "c", "b"]
    assert [c.record.text for c in diversified(found, vectors, 0.05)] == ["a", "b", "c"]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(profile="offline", **{"store.url": ":memory:", "llm.provider": "none"})


@pytest.fixture(scope="module")
def boats(settings: Settings) -> Iterator[Index]:
    texts = ["The boat boat lamp.", "A boat, boat and lamp!", "Boat boat lamp.", "A boat by the window."]
    documents = [Document(text=text, id_=f"d{number}") for number, text in enumerate(texts)]
    with build_index(documents, settings=settings, encoder=CountingWords()) as built:
        yield built


def ids(nodes: Any) -> list[str]:
    return [node.node.ref_doc_id for node in nodes]


def test_llamaindexs_names_choose_the_way_of_searching(boats: Index, settings: Settings) -> None:
    plain = build_retriever(boats, settings=settings, similarity_top_k=2, vector_store_query_mode="default")
    assert plain.settings.retrieval.fusion == "dense" and "d3" not in ids(plain.retrieve("boat boat lamp"))
    mmr = build_retriever(boats, settings=settings, similarity_top_k=2, vector_store_query_mode="mmr")
    assert mmr.settings.retrieval.diversity == 0.5
    strong = build_retriever(boats, settings=settings, similarity_top_k=2, diversity=0.7)
    assert "d3" in ids(strong.retrieve("boat boat lamp"))
    weighed = build_retriever(boats, settings=settings, alpha=0.25, vector_store_kwargs={"mmr_threshold": 0.75})
    retrieval = weighed.settings.retrieval
    assert (retrieval.dense_weight, retrieval.sparse_weight, retrieval.diversity) == (0.25, 0.75, 0.25)
    with pytest.raises(SettingsError, match="svm"):
        build_retriever(boats, settings=settings, vector_store_query_mode="svm")
    with pytest.raises(SettingsError, match="fetch"):
        build_retriever(boats, settings=settings, vector_store_kwargs={"fetch": 3})


def test_the_stock_retriever_has_mmr(boats: Index) -> None:
    assert "d3" not in ids(boats.retriever(top_k=2, mode="default").retrieve("boat boat lamp"))
    found = boats.retriever(top_k=2, mode="mmr", vector_store_kwargs={"mmr_threshold": 0.2}).retrieve("boat boat lamp")
    assert "d3" in ids(found) and found[0].node.metadata["window"]


def test_an_answer_reads_a_repeated_passage_once_and_a_run_ranks_all(boats: Index, settings: Settings) -> None:
    engine = build_query_engine(boats, settings=settings, top_n=3)
    response = engine.query("boat boat lamp")
    assert len(response.source_nodes) == 3
    first = response.source_nodes[0].node
    assert len(first.metadata["more_places"]) == 1 and "more_places" in first.excluded_llm_metadata_keys
    assert response.metadata["citations"][0]["more_places"] == first.metadata["more_places"]
    assert "and 1 more place)" in sources_text(response.metadata["citations"], "", 200)
    assert len(response.metadata["trace"]["candidates"]) == 4
