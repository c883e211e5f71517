"""Wrong arguments of the public functions, and a model in this process that is loaded only when it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document
from llama_index.core.postprocessor import SimilarityPostprocessor

from indexes import Index, build_index, open_index
from indexes.errors import LLMError, RagWrightError
from rag import Settings, build_chat_engine, build_query_engine, build_retriever, load_settings
from tests.indexes.store.test_stock import CountingWords

SETTINGS = load_settings(profile="offline", **{"store.url": ":memory:", "llm.provider": "none"})
TEXT = "The boat comes on Tuesday. 船在星期二来。"


@pytest.fixture(scope="module")
def boats() -> Iterator[Index]:
    with build_index([Document(text=TEXT, id_="boat")], settings=SETTINGS, encoder=CountingWords()) as index:
        yield index


def engine(index: Any, **options: Any) -> Any:
    return build_query_engine(index, settings=SETTINGS, **options)


WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "number": (lambda i: engine(i, top_n=0), r"retrieval\.top_n = 0 cannot be used; .*greater"),
    "word for number": (lambda i: engine(i, top_n="many"), "'many' cannot be used; .*integer"),
    "response mode": (lambda i: engine(i, response_mode="compactt"), "'compactt' cannot be used; .*'refine'"),
    "hyde": (lambda i: engine(i, hyde="yes"), "'yes' cannot be used"),
    "option": (lambda i: build_chat_engine(i, settings=SETTINGS, topk=3), "unknown option 'topk'"),
    "alpha": (lambda i: engine(i, alpha=2.0), "cannot be used"),
    "similarity_top_k": (lambda i: build_retriever(i, settings=SETTINGS, similarity_top_k=0), "similarity_top_k is 0"),
    "llm": (lambda i: engine(i, llm="gpt-4"), "llm is 'gpt-4'.*Ollama"),
    "rerank": (lambda i: engine(i, rerank="bge"), "rerank is 'bge'.*postprocessor"),
    "filters": (lambda i: engine(i, filters={"year": 1}), "filters is .*MetadataFilters"),
    "filters of one question": (lambda i: engine(i).stream("boat", {"year": 1}), "filters is .*MetadataFilters"),
    "question": (lambda i: engine(i).answer(None), "the question is None"),
    "query": (lambda i: engine(i).query(None), "the question is None"),
    "aquery": (lambda i: asyncio.run(engine(i).aquery(7)), "the question is 7"),
    "retrieve": (lambda i: build_retriever(i, settings=SETTINGS).retrieve(None), "the question is None"),
    "aretrieve": (lambda i: asyncio.run(build_retriever(i, settings=SETTINGS).aretrieve([])), r"the question is \[\]"),
    "message": (lambda i: build_chat_engine(i, settings=SETTINGS).chat(None), "the message is None"),
    "searched": (lambda i: build_retriever(i, settings=SETTINGS).search(5), "the question is 5"),
    "postprocessors": (lambda i: engine(i, node_postprocessors=SimilarityPostprocessor()), "pass a list"),
    "postprocessor": (lambda i: engine(i, node_postprocessors=["x"]), "pass a list"),
    "settings": (lambda i: build_query_engine(i, settings={"a": 1}), "settings is .*load_settings"),
    "index": (lambda i: engine("handbook"), "index is 'handbook'.*open_index"),
    "source": (lambda i: build_index(5, settings=SETTINGS), "a source of int"),
    "no source": (lambda i: build_index(None, settings=SETTINGS), "a source of NoneType"),
    "encoder": (lambda i: build_index([Document(text="x")], settings=SETTINGS, encoder="bge"), "encoder is 'bge'"),
    "class": (lambda i: open_index(settings=SETTINGS, encoder=CountingWords, client=i.client), "encoder is <class"),
    "collection": (lambda i: open_index(5, settings=SETTINGS, client=i.client), "5 cannot be a collection's name"),
    "profile": (lambda i: open_index(settings="offline"), "settings is 'offline'"),
    "client": (lambda i: open_index(settings=SETTINGS, client="http://127.0.0.1"), "not a Qdrant client"),
    "mode": (lambda i: i.retriever(mode="svm"), "mode is 'svm'"),
    "document": (lambda i: i.document(None), "doc_id is None"),
    "deleted": (lambda i: i.delete(7), "doc_id is 7"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_one_sentence(name: str, boats: Index) -> None:
    call, told = WRONG[name]
    with pytest.raises(RagWrightError, match=told) as caught:
        call(boats)
    assert "pydantic" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models that were loaded; each fails to."""
    loaded: list[str] = []

    def start(settings: Any) -> Any:
        loaded.append(settings.model)
        raise LLMError("llama.cpp cannot load 'tiny.gguf'", remedy="check that it is whole")

    monkeypatch.setattr("rag.llms.llama_cpp.start_llama_cpp", start)
    monkeypatch.setattr("rag.llms.llama_cpp.check_llama_cpp", lambda settings: Path(settings.model))
    return loaded


def test_a_model_in_this_process_is_loaded_only_when_it_is_asked(boats: Index, loads: list[str]) -> None:
    llm = SETTINGS.llm.model_copy(update={"provider": "llama_cpp", "model": "tiny.gguf", "languages": ("en",)})
    settings: Settings = SETTINGS.model_copy(update={"llm": llm})
    asked = build_query_engine(boats, settings=settings)
    assert asked.query("船什么时候来？").metadata["note_kinds"][0] == "language"
    assert build_query_engine(boats, settings=settings, response_mode="context_only").query("When?").source_nodes
    assert loads == []
    metadata = asked.query("On which day does the boat come?").metadata
    assert loads == ["tiny.gguf"] and metadata["note_kinds"] == ["llm_failed"] and "tiny.gguf" in metadata["notes"][0]
