"""The OpenAI door, with the real ``openai`` client where the wire is what matters."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.llms import MockLLM
from openai import APIStatusError, AuthenticationError, NotFoundError, OpenAI
from starlette.testclient import TestClient

QUESTION = [{"role": "user", "content": "Who approves business class?"}]
KEYS = {"chat": (("read", "ask"), ("handbook",))}


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    return serve(KEYS)


def openai_of(client: TestClient, key: str | None = None) -> OpenAI:
    text = key or client.keys["chat"]  # type: ignore[attr-defined]
    return OpenAI(base_url="http://127.0.0.1:8321/v1", api_key=text, http_client=client, max_retries=0)


def events(client: TestClient, **body: Any) -> Iterator[dict[str, Any] | str]:
    headers = {"authorization": f"Bearer {client.keys['chat']}"}  # type: ignore[attr-defined]
    asked = {"model": "handbook", "messages": QUESTION, "stream": True} | body
    with client.stream("POST", "/v1/chat/completions", json=asked, headers=headers) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield line[6:] if line == "data: [DONE]" else json.loads(line[6:])


def test_models_are_the_collections_this_key_may_see(client: TestClient) -> None:
    ids = [model.id for model in openai_of(client).models.list()]
    assert "handbook" in ids and "handbook:search" in ids and "garden" not in ids
    one = openai_of(client).models.retrieve("handbook")
    library = client.app.state.service.library  # type: ignore[attr-defined]
    assert one.owned_by == "ragwright" and one.created == library.created("handbook")
    with pytest.raises(NotFoundError):
        openai_of(client).models.retrieve("garden")
    with pytest.raises(AuthenticationError):
        openai_of(client, "rw-wrong").models.list()


def test_a_whole_answer_with_its_sources(client: TestClient) -> None:
    found = openai_of(client).chat.completions.create(
        model="handbook", messages=QUESTION, extra_body={"ragwright": {"trace": True}}
    )
    assert "[1]" in (found.choices[0].message.content or "") and found.choices[0].finish_reason == "stop"
    extra: dict[str, Any] = found.model_extra or {}
    assert extra["citations"] == ["handbook.md"]
    own = extra["ragwright"]
    assert own["status"] == "extractive" and own["notes"] and own["trace"]["candidates"]
    assert {"document_id", "source", "text", "number"} <= set(own["citations"][0])
    assert found.usage is not None and found.usage.total_tokens == 0
    assert "/tmp" not in json.dumps(extra)


def test_a_stream_in_the_order_that_chat_programs_need(client: TestClient) -> None:
    chunks = list(events(client, stream_options={"include_usage": True}))
    assert chunks[-1] == "[DONE]"
    rows = [chunk for chunk in chunks if isinstance(chunk, dict)]
    assert rows[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len({row["id"] for row in rows}) == 1
    sources = [row["event"]["data"] for row in rows if "event" in row]
    ids = [source["metadata"][0]["source"] for source in sources]
    assert [source["metadata"][0]["number"] for source in sources] == list(range(1, len(sources) + 1))
    assert len(set(ids)) == len(ids) >= 2
    ends = [row for row in rows if row["choices"] and row["choices"][0]["finish_reason"]]
    assert len(ends) == 1 and ends[0]["ragwright"]["status"] == "extractive"
    assert [row for row in rows if not row["choices"]] == [rows[-1]] and rows[-1]["usage"]["total_tokens"] == 0
    text = "".join(row["choices"][0]["delta"].get("content", "") for row in rows if row["choices"])
    assert "head of the department" in text


def test_events_can_be_switched_off_and_the_real_client_reads_the_stream(client: TestClient) -> None:
    assert not [c for c in events(client, ragwright={"events": False}) if isinstance(c, dict) and "event" in c]
    stream = openai_of(client).chat.completions.create(model="handbook", messages=QUESTION, stream=True)
    assert "eight hours" in "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_a_fault_in_mid_stream_raises_in_the_client(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret /tmp/path")

    monkeypatch.setattr("rag.serve.asking.answers.build_query_engine", broken)
    with pytest.raises(Exception, match="failed to answer") as caught:
        list(openai_of(client).chat.completions.create(model="handbook", messages=QUESTION, stream=True))
    assert "/tmp" not in str(caught.value)


def test_parts_history_and_ignored_fields(client: TestClient) -> None:
    parts = [{"type": "text", "text": "Who approves it?"}, {"type": "image_url", "image_url": {"url": "x"}}]
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is business class allowed?"},
        {"role": "assistant", "content": "On long flights."},
        {"role": "user", "content": parts},
    ]
    found = openai_of(client).chat.completions.create(
        model="handbook",
        messages=history,  # type: ignore[arg-type]
        tools=[],
        presence_penalty=0.5,
    )
    notes = " ".join((found.model_extra or {})["ragwright"]["notes"])
    assert "other than text" in notes and "presence_penalty" in notes


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": "nowhere"}, 404),
        ({"model": ""}, 400),
        ({"n": 2}, 400),
        ({"messages": []}, 400),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400),
        ({"messages": [{"role": "user", "content": "x" * 9000}]}, 400),
    ],
)
def test_what_is_refused(client: TestClient, change: dict[str, Any], status: int) -> None:
    with pytest.raises(APIStatusError) as caught:
        openai_of(client).chat.completions.create(**({"model": "handbook", "messages": QUESTION} | change))
    assert caught.value.status_code == status
    error = caught.value.response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"] == "context_length_exceeded") is ("x" * 9000 in str(change))


def test_a_title_goes_to_the_model_without_a_search(serve: Callable[..., TestClient]) -> None:
    client = serve(KEYS, llm=MockLLM(max_tokens=4))
    encoder = client.app.state.service.library.encoder  # type: ignore[attr-defined]
    before = encoder.passes
    task = "### Task:\nGenerate a title.\n<chat_history>\nuser: hi\n</chat_history>"
    found = openai_of(client).chat.completions.create(model="handbook", messages=[{"role": "user", "content": task}])
    assert found.choices[0].message.content and encoder.passes == before
    assert not (found.model_extra or {}).get("sources")


def test_the_tokens_that_a_model_took(serve: Callable[..., TestClient]) -> None:
    """The model's own numbers, else its tokenizer's; where neither knows, 0 and a note."""

    class Counting(MockLLM):
        def count_tokens(self, text: str) -> int:
            return len(text.split())

    class Telling(MockLLM):
        def chat(self, messages: Any, **options: Any) -> Any:
            reply = super().chat(messages, **options)
            reply.raw = {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}
            return reply

    title = [{"role": "user", "content": "### Task:\nGenerate a title.\n<chat_history>\nuser: hi\n</chat_history>"}]
    found = []
    for number, llm in enumerate((MockLLM(max_tokens=4), Counting(max_tokens=4), Telling(max_tokens=4))):
        client = serve({f"chat{number}": (("read", "ask"), ("*",))}, llm=llm)
        key = client.keys[f"chat{number}"]  # type: ignore[attr-defined]
        answer = openai_of(client, key).chat.completions.create(model="handbook", messages=title)  # type: ignore[arg-type]
        found.append((answer.usage, " ".join((answer.model_extra or {})["ragwright"]["notes"])))
    (none, note), (counted, quiet), (told, also_quiet) = found
    assert none is not None and none.total_tokens == 0 and "does not report its tokens" in note
    assert counted is not None and counted.prompt_tokens > 3 and counted.completion_tokens > 0 and not quiet
    assert told is not None and (told.prompt_tokens, told.completion_tokens) == (7, 3) and not also_quiet


def test_the_clients_system_message_stands_behind_our_rules(serve: Callable[..., TestClient]) -> None:
    seen: list[Any] = []

    class Recorder(MockLLM):
        def stream_chat(self, messages: Any, **options: Any) -> Any:
            seen.append(messages)
            return super().stream_chat(messages, **options)

    client = serve(KEYS, llm=Recorder(max_tokens=4))
    asked = [{"role": "system", "content": "Answer like a pirate." + " Arr!" * 2000}, *QUESTION]
    found = openai_of(client).chat.completions.create(model="handbook", messages=asked)  # type: ignore[arg-type]
    system = str(seen[0][0].content)
    rules, added = system.split("<instructions>")
    assert "cannot change" in rules and len(rules) > 200 and "like a pirate" in added and len(added) < 4000
    assert "system message was cut" in " ".join((found.model_extra or {})["ragwright"]["notes"])
    assert "Who approves business class?" in str(seen[0][-1].content)


def test_passages_alone(client: TestClient) -> None:
    found = openai_of(client).chat.completions.create(model="handbook:search", messages=QUESTION)
    assert (found.choices[0].message.content or "").startswith("[1] ")


def test_embeddings_in_both_forms(client: TestClient) -> None:
    ai = openai_of(client)
    plain = ai.embeddings.create(model="any", input=["notice", "garden"], encoding_format="float")
    coded = client.post(
        "/v1/embeddings",
        json={"model": "any", "input": ["notice", "garden"], "encoding_format": "base64"},
        headers={"authorization": f"Bearer {client.keys['chat']}"},  # type: ignore[attr-defined]
    ).json()
    for row, other in zip(plain.data, coded["data"], strict=True):
        raw = base64.b64decode(other["embedding"])
        assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(row.embedding)
    for wrong in ([""], [[1, 2]], [], "x" * 300_000):
        with pytest.raises(APIStatusError):
            ai.embeddings.create(model="any", input=wrong, encoding_format="float")  # type: ignore[arg-type]


def test_llamaindex_reads_it(client: TestClient) -> None:
    from llama_index.llms.openai_like import OpenAILike

    llm = OpenAILike(
        model="handbook",
        api_base="http://127.0.0.1:8321/v1",
        api_key=client.keys["chat"],  # type: ignore[attr-defined]
        is_chat_model=True,
        context_window=8000,
        http_client=client,
        max_retries=0,
    )
    assert "eight hours" in str(llm.complete("Who approves business class?"))
