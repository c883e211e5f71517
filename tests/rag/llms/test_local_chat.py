"""The chat model of a server in this process: its wire, without OpenAI's package."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage

from indexes.errors import LLMError
from rag.llms import explain_llm_error, usage_of, with_max_tokens
from rag.llms.guard import Guard
from rag.llms.local_chat import LocalChat, ResponseError
from rag.llms.logprobs import read_logprobs
from rag.settings import LLMSettings

ASK = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Where does the ferry go?")]
SETTINGS = LLMSettings(provider="llama_cpp", model="m.gguf")


class Local(Guard, LocalChat):
    """As ``LlamaCpp`` stands on it."""


class Wire:
    """Answers with one content, and keeps what was asked."""

    def __init__(self, content: str, status: int = 200) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self._content, self._status = content, status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://127.0.0.1:1/v1/chat/completions"
        self.asked.append(json.loads(request.content))
        self.keys.append(request.headers["authorization"])
        return httpx.Response(self._status, text=self._content)

    def model(self) -> Local:
        return Local(
            model="m.gguf",
            api_base="http://127.0.0.1:1/v1",
            api_key="k",
            context_window=512,
            max_tokens=9,
            temperature=0.0,
            body={"chat_template_kwargs": {"thinking": False}},
            http_client=httpx.Client(transport=httpx.MockTransport(self)),
            async_http_client=httpx.AsyncClient(transport=httpx.MockTransport(self)),
        )


def stream(*pieces: dict[str, Any], end: str = "stop") -> str:
    events = [{"choices": [{"delta": piece}]} for piece in pieces]
    if end:
        events.append({"choices": [{"delta": {}, "finish_reason": end}]})
    events.append({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}, "model": "m.gguf"})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def test_a_question_and_its_answer() -> None:
    logprobs = {"content": [{"token": "To", "logprob": -0.1, "top_logprobs": [{"token": "To", "logprob": -0.1}]}]}
    choice = {"message": {"content": "To the island."}, "finish_reason": "stop", "logprobs": logprobs}
    wire = Wire(json.dumps({"choices": [choice], "model": "m.gguf", "usage": {"prompt_tokens": 7}}))
    model = wire.model()
    answer = model.chat(ASK, logprobs=True, max_tokens=99)
    assert answer.message.content == "To the island."
    assert usage_of(answer) == {"model": "m.gguf", "prompt_tokens": 7, "finish_reason": "stop"}
    assert [token.token for token in read_logprobs(answer.raw)] == ["To"]
    assert asyncio.run(model.achat(ASK)).message.content == str(model.complete("Where?")) == "To the island."
    assert asyncio.run(model.acomplete("Where?")).text == "To the island."
    first = wire.asked[0]
    assert first["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where does the ferry go?"},
    ]
    assert (first["max_tokens"], first["logprobs"], first["model"]) == (9, True, "m.gguf") and "stream" not in first
    assert first["chat_template_kwargs"] == {"thinking": False} and wire.keys[0] == "Bearer k"
    with_max_tokens(model, 3).chat(ASK)
    assert wire.asked[-1]["max_tokens"] == 3 and model.metadata.num_output == 9


def test_a_stream_in_pieces() -> None:
    wire = Wire(stream({"role": "assistant"}, {"content": "To the "}, {"content": "island."}))
    model = wire.model()
    parts = list(model.stream_chat(ASK))
    assert (
        parts[-1].message.content == "To the island."
        and "".join(part.delta or "" for part in parts) == "To the island."
    )
    assert usage_of(parts[-1])["completion_tokens"] == 2 and wire.asked[0]["stream_options"] == {"include_usage": True}
    assert [part.text for part in model.stream_complete("Where?")][-1] == "To the island."

    async def awaited() -> list[str]:
        said = [part.delta or "" async for part in await model.astream_chat(ASK)]
        return said + [part.delta or "" async for part in await model.astream_complete("Where?")]

    assert "".join(asyncio.run(awaited())) == "To the island." * 2


def test_what_it_thinks_beside_the_answer_is_not_said() -> None:
    parts = list(Wire(stream({"reasoning_content": "Hmm."}, {"content": "Yes."})).model().stream_chat(ASK))
    assert parts[-1].message.content == "Yes." and all("Hmm" not in (part.delta or "") for part in parts)


def test_faults_in_one_sentence() -> None:
    with pytest.raises(LLMError, match="broke off before its end"):
        list(Wire(stream({"content": "To the"}, end="")).model().stream_chat(ASK))
    broken = 'data: {"choices": [{"delta": {"content": "To"}}]}\n\ndata: {"error": {"message": "out of memory"}}\n\n'
    refused = json.dumps({"error": {"code": 400, "message": "the request exceeds the available context size"}})
    cases = {
        (broken, 200): "stopped in the middle of the answer .*; choose a smaller model or lower llm.context_window",
        (refused, 400): "answered 400 .*; lower retrieval.top_n or retrieval.window, or raise llm.context_window",
        ("no JSON", 503): "answered 503 .no JSON.; wait until it has answered other requests",
        ("no JSON", 200): "this process does not answer as the OpenAI API",
        ("[]", 200): "this process does not answer as the OpenAI API",
    }
    for (content, status), said in cases.items():
        model = Wire(content, status).model()

        async def awaited(model: Local = model) -> None:
            async for _ in await model.astream_chat(ASK):
                pass

        calls = [lambda model=model: list(model.stream_chat(ASK)), lambda awaited=awaited: asyncio.run(awaited())]
        if content != broken:
            calls.append(lambda model=model: model.chat(ASK))
        if status == 200 and content != broken:
            calls = calls[-1:]
        for call in calls:
            with pytest.raises(Exception) as caught:
                call()
            assert re.search(said, str(explain_llm_error(caught.value, SETTINGS))), caught.value
    assert ResponseError(500, None).body == {"message": "None"}
