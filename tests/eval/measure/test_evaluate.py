"""evaluate() over every kind of pipeline, the embedding cache, and the gold span in a window."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from eval import evaluate, index_dataset, load_dataset
from eval.bench.parallel import slow_server
from eval.datasets import CorpusPassage, Dataset
from eval.gold import first_window, holds
from eval.measure.cache import cache_encoder
from eval.measure.exact_search import EncoderReranker
from eval.measure.runs import save_run
from indexes.encoders import as_embedding, build_encoder
from indexes.encoders.base import Encoded
from indexes.encoders.paired import PairedEncoder
from indexes.errors import RerankerError, SettingsError, SourceError
from indexes.text.characters import comparable
from rag import Settings, build_query_engine, build_retriever, load_settings
from rag.rerankers import build_reranker
from tests.indexes.words_model import words_model

MEASURES = ["R@3", "RR@3"]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(
        **{
            "encoder.provider": "minilm",
            "encoder.model": "minilm",
            "rerank.provider": "none",
            "llm.provider": "none",
        }
    )


@pytest.fixture(scope="module")
def dataset(lighthouse: Path) -> Dataset:
    return load_dataset(lighthouse)


@pytest.fixture(scope="module")
def index(dataset: Dataset, settings: Settings, eval_cache: Path) -> Iterator[Any]:
    with index_dataset(dataset, settings, cache=eval_cache) as opened:
        yield opened


def test_our_retriever_and_the_stock_one(dataset: Dataset, index: Any, settings: Settings) -> None:
    ours = evaluate(build_retriever(index, settings=settings), dataset, MEASURES, name="ours")
    stock = evaluate(index.retriever(top_k=10), dataset, MEASURES)
    for result in (ours, stock):
        assert result["R@3"] == 0.75
        assert {d for ranked in result.run.results.values() for d, _ in ranked} <= dataset.corpus.keys()
    assert ours.run.name == "ours"
    assert ours.run.details["1"]["gold"]["lamp"]["dense"] == 1
    assert "forty minutes" in ours.run.details["1"]["found"][0]["text"]
    traced = ours.run.details["1"]["trace"]
    assert [row["rank"] for row in traced[:2]] == [1, 2] and traced[0]["dense"] == 1 and traced[0]["fused"] > 0
    assert "forty minutes" in ours.run.details["1"]["wanted"]["lamp"]
    assert ours.run.questions == dataset.queries and ours.run.qrels == dataset.qrels
    assert set(stock.run.timings_ms["1"]) == {"search"}


def test_milliseconds_of_questions_from_the_cache_are_those_of_their_first_encoding(
    dataset: Dataset, index: Any, settings: Settings
) -> None:
    runs = [evaluate(build_retriever(index, settings=settings), dataset, MEASURES).run for _ in range(2)]
    index.encoder.encode_queries(list(dataset.queries.values()))
    kept = index.encoder.last_query_ms
    for run in runs:  # the second took all its vectors from the cache
        assert sum(stages["encode"] for stages in run.timings_ms.values()) >= 0.9 * kept > 0


def test_a_query_engine_keeps_its_answers(dataset: Dataset, index: Any, settings: Settings) -> None:
    engine = build_query_engine(index, settings=settings)
    retriever = engine.retriever
    result = evaluate(engine, dataset, MEASURES)
    assert engine.retriever is retriever
    assert result["R@3"] == 0.75
    details = result.run.details["1"]
    assert details["status"] == "extractive"
    assert "forty minutes before sunset" in details["answer"]
    assert "lamp" in details["prompt"]
    assert {"encode", "search", "cite"} <= result.run.timings_ms["1"].keys()


def test_questions_are_asked_side_by_side_where_servers_take_the_time(
    dataset: Dataset, index: Any, settings: Settings
) -> None:
    with slow_server(0.05) as server:
        here = {"base_url": server.url, "model": "slow", "parallel": 4}
        tree = load_settings(
            encoder={"provider": "minilm", "model": "minilm"},
            rerank={"provider": "api", **here},
            llm={"provider": "openai", **here},
        )
        runs = []
        for parallel in (4, 1):
            changed = {key: getattr(tree, key).model_copy(update={"parallel": parallel}) for key in ("rerank", "llm")}
            chosen = tree.model_copy(update=changed)
            engine = build_query_engine(index, settings=chosen, llm=MockLLM(), rerank=build_reranker(chosen.rerank))
            server.most = 0
            runs.append(evaluate(engine, dataset, MEASURES).run)
            assert server.most == parallel
    side_by_side, alone = runs
    assert side_by_side.results == alone.results and list(side_by_side.results) == list(dataset.queries)
    kept = ("answer", "prompt", "gold", "found")
    for query, details in alone.details.items():
        assert [details.get(key) for key in kept] == [side_by_side.details[query].get(key) for key in kept]
    assert any("4 questions were asked concurrently" in note for note in side_by_side.notes)
    assert not any("at once" in note for note in alone.notes)


@pytest.mark.parametrize(("crowded", "documents"), [(True, 1), (False, 20)])
def test_a_run_says_of_how_many_documents_its_candidates_are(tmp_path: Path, crowded: bool, documents: int) -> None:
    long = " ".join(f"Lamp {n} is lit at dusk." for n in range(60)) if crowded else "The boat leaves at noon."
    texts = {"long": long, **{f"short{n}": "Wool is dry." if crowded else f"Lamp {n} is lit." for n in range(30)}}
    corpus = {name: CorpusPassage(name, text=text) for name, text in texts.items()}
    found = Dataset("d", corpus, {"1": "lamp"}, {"1": {"long": 1}})
    tree = load_settings(retrieval={"fusion": "sparse", "top_k": 20}, rerank={"provider": "none"})
    with index_dataset(found, tree, cache=tmp_path, encoder=words_model(1)) as index:
        notes = evaluate(build_retriever(index, settings=tree), found, ["RR@3"], name="base").run.notes
    assert f"base: 20.0 candidates of {documents:.1f} documents a question, on average" in notes
    assert any("a few documents fill the candidates" in note for note in notes) is crowded


def test_a_foreign_retriever_counts_by_any_id_it_knows(dataset: Dataset) -> None:
    class OtherRetriever(BaseRetriever):
        def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
            nodes = [
                TextNode(id_="chunk-1", text="lit", metadata={"doc_id": "lamp"}),
                TextNode(id_="chunk-2", text="turns", metadata={"doc_id": "lamp"}),
                TextNode(id_="water", text="tanks"),
            ]
            return [NodeWithScore(node=node) for node in nodes]

    run = evaluate(OtherRetriever(), dataset, MEASURES).run
    assert [document for document, _ in run.results["1"]] == ["lamp", "water"]


def test_embedders_functions_and_runs(dataset: Dataset, settings: Settings, eval_cache: Path, tmp_path: Path) -> None:
    encoder = build_encoder(settings)
    ours = evaluate(encoder, dataset, MEASURES, cache=eval_cache)
    theirs = evaluate(as_embedding(encoder), dataset, MEASURES, cache=eval_cache)
    assert ours["RR@3"] == theirs["RR@3"] == 0.75
    assert "whole documents" in ours.run.notes[0]
    function = evaluate(lambda question: [("boat", 1), ("lamp", 2)], dataset, ["RR"])
    assert function["RR"] == pytest.approx((1 + 1 + 0.5) / 4)
    with pytest.raises(SourceError, match="twice"):
        evaluate(lambda question: [("boat", 1), ("boat", 2)], dataset, ["RR"])
    again = evaluate(save_run(function.run, tmp_path / "f"), dataset, ["RR"])
    assert again["RR"] == function["RR"]
    other = Dataset("other", {}, {"1": "?"}, {"1": {"lamp": 1}})
    with pytest.raises(SourceError, match="another dataset"):
        evaluate(tmp_path / "f", other, ["RR"])
    with pytest.raises(SettingsError, match="cannot be measured"):
        evaluate(3, dataset)


def test_a_reranker_that_fails_gives_no_figure(dataset: Dataset, index: Any, settings: Settings) -> None:
    class Down(BaseNodePostprocessor):
        """A named fake: a reranker whose server is down."""

        def _postprocess_nodes(self, nodes: Any, query_bundle: Any = None) -> Any:
            raise RerankerError("the server is down", remedy="start it")

    retriever = build_retriever(index, settings=settings, rerank=Down())
    assert retriever.search("What does the lamp burn?").trace.note_kinds == ["rerank_failed"]
    with pytest.raises(RerankerError, match="was not reranked"):
        evaluate(retriever, dataset, MEASURES)


def test_a_reranker_reorders_lists_and_adds_nothing(dataset: Dataset, settings: Settings, eval_cache: Path) -> None:
    encoder = cache_encoder(build_encoder(settings), eval_cache)
    lists = {"1": ["fog", "lamp"], "2": ["birds"], "3": ["boat", "water"]}
    listed = Dataset("l", dataset.corpus, dataset.queries, dataset.qrels, candidates=lists)
    result = evaluate(EncoderReranker(encoder), listed, ["RR"])
    assert [d for d, _ in result.run.results["1"]] == ["lamp", "fog"]
    assert [d for d, _ in result.run.results["2"]] == ["birds"]
    assert "2 relevant documents missing from them count as missed" in result.run.notes[0]


def test_an_index_is_built_once_and_vectors_are_encoded_once(
    dataset: Dataset, settings: Settings, tmp_path: Path
) -> None:
    asked: list[str] = []
    inner = build_encoder(settings)
    assert isinstance(inner, PairedEncoder)

    class FakeCounting:
        """The real model; only counts what it is asked."""

        def __getattr__(self, name: str) -> Any:
            return getattr(inner.dense, name)

        def embed(self, texts: list[str], *, query: bool) -> Encoded:
            asked.extend(texts)
            return inner.dense.embed(texts, query=query)

    counting = PairedEncoder(FakeCounting(), inner.lexical)  # type: ignore[arg-type]
    with index_dataset(dataset, settings, cache=tmp_path, encoder=counting) as first:
        count = first.count
    encoded = len(asked)
    assert encoded >= count - 1
    with index_dataset(dataset, settings, cache=tmp_path, encoder=counting) as second:
        assert second.count == count
        assert second.report is None  # opened, not built
    changed = settings.model_copy(update={"sparse": settings.sparse.model_copy(update={"window": 0})})
    with index_dataset(dataset, changed, cache=tmp_path, encoder=counting) as third:
        assert third.report is not None
    assert len(asked) == encoded
    with pytest.raises(SourceError, match="no documents"):
        index_dataset(Dataset("own", {}, {"1": "?"}, {"1": {"d": 1}}), settings, cache=tmp_path, encoder=counting)


def test_titles_stand_before_their_texts() -> None:
    assert CorpusPassage("1", "Title", "Text.").content == "Title\n\nText."
    assert CorpusPassage("1", "", "Text.").content == "Text."
    assert CorpusPassage("1", "Title", "").content == "Title"


def test_a_window_holds_what_was_asked_for() -> None:
    assert comparable("Ｆｕｌｌ　width\n 中 文") == "full width中文"
    assert holds("In 1942 there were 4 boats.", [["4", "four"]])
    assert not holds("In 1942 there were boats.", [["4", "four"]])
    assert holds("共有70个议席", [["70"]])
    assert holds("Red and BLUE", [["red"], ["green", "blue"]])
    assert not holds("Red", [["red"], ["green", "blue"]])
    assert not holds("Red", [])
    assert first_window(["no", "yes it is"], [["yes"]]) == 2
    assert first_window(["no"], [["yes"]]) is None


def test_answers_flat_and_nested(tmp_path: Path) -> None:
    def answers(value: Any) -> list[list[str]]:
        return Dataset("x", {}, {"1": "?"}, {}, {"1": json.loads(json.dumps({"answers": value}))}).answers("1")

    assert answers(["a", "b"]) == [["a", "b"]]
    assert answers([["a", "b"], "c"]) == [["a", "b"], ["c"]]
    assert answers("a") == [["a"]]
    assert answers([]) == []


def test_the_face_of_the_package_holds_functions() -> None:
    import eval as package
    import eval.comparing.compare  # a module of a function's name must not stand in its place

    assert dir(package) == package.__all__
    assert all(inspect.isfunction(getattr(package, name)) for name in package.__all__)
