"""Ollama: what goes over the wire, and that every failure is one sentence of the right kind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage

from indexes.errors import LLMError, LLMModelNotFoundError, LLMTimeoutError, LLMUnreachableError
from rag.llms import build_llm, explain_llm_error, usage_of, with_max_tokens
from rag.llms.ollama import OllamaLLM
from rag.settings import LLMSettings
from tests.rag.llms.fake_llm_servers import FakeOllama

ASK = [ChatMessage(role="system", content="Be short."), ChatMessage(role="user", content="When does the ferry leave?")]
WHOLE = "The ferry leaves twice a day."


def settings_for(url: str | None, **changes: Any) -> LLMSettings:
    return LLMSettings.model_validate({"model": "qwen3:8b", "base_url": url, "timeout": 5.0, **changes})


def connect(settings: LLMSettings) -> OllamaLLM:
    llm = build_llm(settings)
    assert isinstance(llm, OllamaLLM)
    return llm


def failure(settings: LLMSettings, how: str) -> LLMError:
    """What a person is told when the call fails. All four ways in must give the same kind of error."""
    llm = connect(settings)

    async def achat() -> None:
        if how == "achat":
            await llm.achat(ASK)
        else:
            async for _ in await llm.astream_chat(ASK):
                pass

    with pytest.raises(Exception) as caught:
        if how == "chat":
            llm.chat(ASK)
        elif how == "stream_chat":
            list(llm.stream_chat(ASK))
        else:
            asyncio.run(achat())
    return explain_llm_error(caught.value, settings)


WAYS = pytest.mark.parametrize("how", ["chat", "stream_chat", "achat", "astream_chat"])


def test_wire_format(ollama: FakeOllama) -> None:
    settings = settings_for(ollama.url, context_window=4096, max_tokens=77, temperature=0.3, keep_alive="1h")
    response = connect(settings).chat(ASK)
    assert response.message.content == WHOLE
    (request,) = ollama.requests  # and no /api/show before it
    assert request["path"] == "/api/chat"
    assert request["body"] == {
        "model": "qwen3:8b",
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "When does the ferry leave?"},
        ],
        "tools": [],
        "stream": False,
        "think": False,
        "options": {"num_ctx": 4096, "temperature": 0.3, "num_predict": 77},
        "keep_alive": "1h",
    }


def test_thinking_when_wanted(ollama: FakeOllama) -> None:
    connect(settings_for(ollama.url, thinking=True)).chat(ASK)
    assert ollama.requests[0]["body"]["think"] is True


def test_streaming_and_async(ollama: FakeOllama) -> None:
    llm = connect(settings_for(ollama.url))
    assert "".join(part.delta or "" for part in llm.stream_chat(ASK)) == WHOLE
    assert llm.complete("When?").text == WHOLE
    assert list(llm.stream_complete("When?"))[-1].text == WHOLE

    async def ask() -> str:
        assert (await llm.achat(ASK)).message.content == WHOLE
        return "".join([part.delta or "" async for part in await llm.astream_chat(ASK)])

    assert asyncio.run(ask()) == WHOLE
    assert asyncio.run(ask()) == WHOLE  # a second event loop meets no connection of the first


def test_usage(ollama: FakeOllama) -> None:
    llm = connect(settings_for(ollama.url))
    expected = {
        "model": "qwen3:8b",
        "prompt_tokens": 26,
        "completion_tokens": 12,
        "tokens_per_second": 20.0,
        "prompt_ms": 130.0,
        "load_ms": 1500.0,
        "finish_reason": "stop",
    }
    assert usage_of(llm.chat(ASK)) == expected
    assert usage_of(list(llm.stream_chat(ASK))[-1]) == expected
    assert usage_of(llm.complete("When?")) == expected


def test_metadata_and_a_shorter_answer(ollama: FakeOllama) -> None:
    llm = connect(settings_for(ollama.url, context_window=4096, max_tokens=500))
    assert (llm.metadata.context_window, llm.metadata.num_output) == (4096, 500)
    short = with_max_tokens(llm, 50)
    short.chat(ASK)
    assert ollama.requests[-1]["body"]["options"]["num_predict"] == 50
    assert short.metadata.num_output == 50
    assert llm.metadata.num_output == 500
    assert ollama.requests[-1]["body"]["options"]["num_ctx"] == 4096


def test_ollama_host_counts(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.host)
    assert connect(settings_for(None)).chat(ASK).message.content == WHOLE


@pytest.mark.usefixtures("dead_proxy")
@WAYS
def test_no_proxy_before_loopback(ollama: FakeOllama, how: str) -> None:
    llm = connect(settings_for(ollama.url))

    async def ask() -> str:
        if how == "achat":
            return (await llm.achat(ASK)).message.content or ""
        return "".join([part.delta or "" async for part in await llm.astream_chat(ASK)])

    if how == "chat":
        assert llm.chat(ASK).message.content == WHOLE
    elif how == "stream_chat":
        assert list(llm.stream_chat(ASK))[-1].message.content == WHOLE
    else:
        assert asyncio.run(ask()) == WHOLE


@WAYS
def test_server_down(free_port: int, how: str) -> None:
    error = failure(settings_for(f"http://127.0.0.1:{free_port}"), how)
    assert type(error) is LLMUnreachableError
    assert str(error).startswith(f"the language model's server at http://127.0.0.1:{free_port} cannot be reached")
    assert str(error).endswith("run: ollama serve")


def test_server_down_by_ollama_host(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", f"localhost:{free_port}")
    error = failure(settings_for(None), "chat")
    assert f"correct OLLAMA_HOST ('localhost:{free_port}')" in str(error)


@pytest.mark.usefixtures("dead_proxy")
def test_a_proxy_before_another_machine_is_named() -> None:
    error = failure(settings_for("http://ollama.example:11434"), "stream_chat")
    assert type(error) is LLMUnreachableError
    assert "NO_PROXY (HTTP_PROXY sends requests to http://127.0.0.1:9)" in str(error)


@WAYS
def test_missing_model(ollama: FakeOllama, how: str) -> None:
    ollama.refuse(404, {"error": "model 'qwen3:8b' not found"})
    error = failure(settings_for(ollama.url), how)
    assert type(error) is LLMModelNotFoundError
    assert str(error) == f"the server at {ollama.url} has no model 'qwen3:8b'; run: ollama pull qwen3:8b"


@WAYS
def test_too_slow(ollama: FakeOllama, how: str) -> None:
    ollama.hang()
    error = failure(settings_for(ollama.url, timeout=0.2), how)
    assert type(error) is LLMTimeoutError
    assert "sent nothing for 0.2 s; raise llm.timeout" in str(error)


@WAYS
def test_full_queue(ollama: FakeOllama, how: str) -> None:
    ollama.refuse(503, {"error": "server busy, please try again. maximum pending requests exceeded"})
    error = failure(settings_for(ollama.url), how)
    assert type(error) is LLMError
    assert "answered 503 (server busy" in str(error)
    assert "OLLAMA_MAX_QUEUE" in str(error)


@pytest.mark.parametrize("how", ["stream_chat", "astream_chat"])
def test_an_error_line_in_the_stream_is_raised(ollama: FakeOllama, how: str) -> None:
    """Status 200, half an answer, then {"error": ...}: it must not pass for a whole answer."""
    ollama.lines = [ollama.piece("The ferry "), {"error": "an error was encountered while running the model"}]
    error = failure(settings_for(ollama.url), how)
    assert type(error) is LLMError
    assert "stopped in the middle of the answer (an error was encountered while running the model)" in str(error)


@pytest.mark.parametrize("how", ["stream_chat", "astream_chat"])
def test_a_stream_without_its_end_is_raised(ollama: FakeOllama, how: str) -> None:
    ollama.lines = [ollama.piece("The ferry "), ollama.piece("leaves ")]
    error = failure(settings_for(ollama.url), how)
    assert type(error) is LLMError
    assert "broke off before its end" in str(error)


@pytest.mark.parametrize(
    ("status", "words", "sentence"),
    [
        (500, "model requires more system memory (9.1 GiB) than is available", "choose a smaller model"),
        (500, "llama runner process has terminated", "see the server's log"),
        (400, '"gemma" does not support thinking', "set llm.thinking = false"),
        (404, "404 page not found", "has no Ollama API"),
        (401, "unauthorized", "RAG_API_KEY"),
    ],
)
def test_other_refusals(ollama: FakeOllama, status: int, words: str, sentence: str) -> None:
    ollama.refuse(status, {"error": words})
    error = failure(settings_for(ollama.url), "chat")
    assert type(error) is LLMError
    assert sentence in str(error)


@WAYS
def test_something_else_listens_there(ollama: FakeOllama, how: str) -> None:
    ollama.sends(b"<html>hello</html>", "text/html")
    error = failure(settings_for(ollama.url), how)
    assert str(error) == f"{ollama.url} does not answer as the Ollama API; check llm.base_url and llm.provider"


def test_the_defaults_of_the_settings() -> None:
    llm = connect(LLMSettings())
    assert llm.base_url == "http://127.0.0.1:11434"
    assert llm.request_timeout == 120
    assert llm.thinking is False
