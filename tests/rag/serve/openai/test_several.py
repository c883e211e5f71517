"""Several collections in one request of the OpenAI door."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.llms import MockLLM
from openai import APIStatusError, NotFoundError, OpenAI
from starlette.testclient import TestClient

from indexes.errors import FingerprintMismatchError
from rag.serve.wire import document_id

BOTH = {"collection": ["handbook", "garden"]}
QUESTION: Any = [{"role": "user", "content": "Who approves business class, and when does the gate close?"}]
KEYS = {"all": (("read", "ask"), ("*",)), "one": (("read", "ask"), ("handbook",))}


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    return serve(KEYS)


def ask(client: TestClient, own: Any = BOTH, key: str = "all", model: str = "handbook", **options: Any) -> Any:
    ai = OpenAI(base_url="http://127.0.0.1:8321/v1", api_key=client.keys[key], http_client=client, max_retries=0)  # type: ignore[attr-defined]
    return ai.chat.completions.create(model=model, messages=QUESTION, extra_body={"ragwright": own}, **options)


def opened(client: TestClient, link: str) -> str:
    headers = {"authorization": f"Bearer {client.keys['all']}"}  # type: ignore[attr-defined]
    client.cookies.set("ragwright_key", client.keys["all"])  # type: ignore[attr-defined]
    page = client.get(link.split("#")[0], headers=headers)
    assert page.status_code == 200, page.text[:300]
    return page.text


def test_an_answer_from_two_collections_whose_citations_open_in_their_own(client: TestClient) -> None:
    found = ask(client)
    text, extra = found.choices[0].message.content, found.model_extra
    assert "eight hours" in text + str(extra) and "closes at dusk" in text
    citations = extra["ragwright"]["citations"]
    assert {row["collection"] for row in citations} == {"handbook", "garden"}
    for row in citations:
        assert "\x1f" not in json.dumps(row)
        page = opened(client, row["link"])
        assert row["link"].startswith(f"/docs/{row['collection']}/{row['document_id']}?")
        assert row["text"] in page.split('<mark id="marked"')[1].split("</mark>")[0]
    assert {name.split("/")[0] for name in extra["citations"]} == {"handbook", "garden"}
    sources = extra["sources"]
    assert {row["source"]["id"].split("/")[0] for row in sources} == {"handbook", "garden"}
    assert len({row["metadata"][0]["source"] for row in sources}) == len(sources)
    assert "\x1f" not in json.dumps(extra)


def test_a_stream_from_two_collections(client: TestClient) -> None:
    chunks = list(ask(client, stream=True))
    events = [chunk.model_extra["event"]["data"] for chunk in chunks if "event" in (chunk.model_extra or {})]
    assert [row["metadata"][0]["number"] for row in events] == list(range(1, len(events) + 1))
    assert {row["source"]["name"].split("/")[0] for row in events} == {"handbook", "garden"}
    assert len({row["source"]["id"] for row in events}) == len(events)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "closes at dusk" in text
    (end,) = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    own = (end.model_extra or {})["ragwright"]
    assert {row["collection"] for row in own["citations"]} == {"handbook", "garden"}


def test_a_model_writes_from_the_passages_of_both(serve: Callable[..., TestClient]) -> None:
    class Writer(MockLLM):
        def stream_chat(self, messages: Any, **options: Any) -> Any:
            passages = str(messages[-1].content)
            number = passages.split("(garden.md")[0].rsplit("[", 1)[1].split("]")[0]
            return super().stream_chat([type(messages[-1])(content=f"The gate closes at dusk [{number}].")], **options)

    found = ask(serve(KEYS, llm=Writer()), BOTH | {"trace": True})
    own = found.model_extra["ragwright"]
    assert own["status"] == "answered", own["notes"]
    assert own["citations"][0]["collection"] == "garden" and not own["citations"][0]["matched"]
    assert {row["collection"] for row in own["trace"]["candidates"]} == {"handbook", "garden"}


def test_passages_alone_of_two_collections(client: TestClient) -> None:
    found = ask(client, model="handbook:search")
    text = found.choices[0].message.content
    assert "closes at dusk" in text and "Business class" in text
    assert {row["source"]["id"].split("/")[0] for row in found.model_extra["sources"]} == {"handbook", "garden"}


def test_a_forbidden_collection_and_a_missing_one_look_the_same(client: TestClient) -> None:
    said = []
    for name in ("garden", "nowhere"):
        for stream in (False, True):
            with pytest.raises(NotFoundError) as caught:
                ask(client, {"collection": ["handbook", name]}, key="one", stream=stream)
            said.append(str(caught.value).replace(name, "X"))
            assert caught.value.code == "model_not_found"
    assert len(set(said)) == 1
    assert ask(client, {"collection": ["handbook", "handbook"]}, key="one").model_extra["citations"]


@pytest.mark.parametrize("wrong", [[], [""], [1], {"a": 1}, 7, [f"c{n}" for n in range(17)]])
def test_lists_that_name_nothing_are_refused(client: TestClient, wrong: Any) -> None:
    with pytest.raises(APIStatusError) as caught:
        ask(client, {"collection": wrong})
    assert caught.value.status_code == 400 and "ragwright.collection" in str(caught.value)


def test_one_that_cannot_be_opened_is_left_out_with_a_note(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    library = client.app.state.service.library  # type: ignore[attr-defined]
    open_one = library.index

    def index(name: str) -> Any:
        if name == "garden":
            raise FingerprintMismatchError("collection 'garden' was built with another model", remedy="reindex it")
        return open_one(name)

    monkeypatch.setattr(library, "index", index)
    own = ask(client).model_extra["ragwright"]
    assert {row["collection"] for row in own["citations"]} == {"handbook"}
    note = own["notes"][own["note_kinds"].index("left_out")]
    assert note.startswith("collection 'garden' was not searched, since") and "another model" in note


@pytest.mark.parametrize("model", ["handbook", "handbook:search"])
def test_a_condition_holds_in_all_of_them_and_is_checked(client: TestClient, model: str) -> None:
    """ "end with" is asked more widely of the engine and checked on what it found, also where an answer is written."""

    def sources(*conditions: Any) -> set[str]:
        rows = ask(client, BOTH | {"filters": {"conditions": list(conditions)}}, model=model).model_extra["sources"]
        return {row["source"]["name"] for row in rows}

    assert sources({"name": "title", "comparison_operator": "end with", "value": "book"}) == {"handbook/handbook.md"}
    assert sources({"name": "title", "comparison_operator": "end with", "value": "Hand"}) == set()
    own = {"name": "source", "comparison_operator": "is", "value": "garden.md"}
    assert sources(own) == {"garden/garden.md"}
    library = client.app.state.service.library  # type: ignore[attr-defined]
    (info,) = library.index("garden").store.documents()
    by_id = {"name": "document_id", "comparison_operator": "is", "value": document_id(info.doc_id)}
    assert sources(by_id) == {"garden/garden.md"}
