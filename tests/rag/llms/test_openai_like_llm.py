"""OpenAI-compatible servers: the wire, the failures, and that nothing goes to OpenAI by accident."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage

from indexes.errors import LLMError, LLMModelNotFoundError, LLMTimeoutError, LLMUnreachableError
from rag.llms import build_llm, explain_llm_error, usage_of, with_max_tokens
from rag.llms.openai_like import OpenAILikeLLM, connect_openai_like
from rag.settings import LLMSettings
from tests.rag.llms.fake_llm_servers import FakeOpenAI

ASK = [ChatMessage(role="user", content="When does the ferry leave?")]
WHOLE = "The ferry leaves twice a day."
WAYS = pytest.mark.parametrize("how", ["chat", "stream_chat", "achat", "astream_chat"])


def settings_for(url: str | None, **changes: Any) -> LLMSettings:
    base_url = f"{url}/v1" if url else None
    return LLMSettings.model_validate(
        {"provider": "openai", "model": "served", "base_url": base_url, "timeout": 5.0, **changes}
    )


def connect(settings: LLMSettings) -> OpenAILikeLLM:
    llm = build_llm(settings)
    assert isinstance(llm, OpenAILikeLLM)
    return llm


def ask(llm: OpenAILikeLLM, how: str) -> str:
    async def aask() -> str:
        if how == "achat":
            return (await llm.achat(ASK)).message.content or ""
        return "".join([part.delta or "" async for part in await llm.astream_chat(ASK)])

    if how == "chat":
        return llm.chat(ASK).message.content or ""
    if how == "stream_chat":
        return "".join(part.delta or "" for part in llm.stream_chat(ASK))
    return asyncio.run(aask())


def failure(settings: LLMSettings, how: str = "chat") -> LLMError:
    with pytest.raises(Exception) as caught:
        ask(connect(settings), how)
    return explain_llm_error(caught.value, settings)


def test_wire_format(openai: FakeOpenAI) -> None:
    settings = settings_for(openai.url, max_tokens=77, temperature=0.3, api_key_env="MY_KEY")
    llm = connect_openai_like(settings, {"MY_KEY": "s3cret"})
    assert ask(llm, "chat") == WHOLE
    (request,) = openai.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["Authorization"] == "Bearer s3cret"
    assert request["body"] == {
        "model": "served",
        "messages": [{"role": "user", "content": "When does the ferry leave?"}],
        "stream": False,
        "temperature": 0.3,
        "max_tokens": 77,
    }


@WAYS
@pytest.mark.usefixtures("dead_proxy")
def test_every_way_in_and_no_proxy_before_loopback(openai: FakeOpenAI, how: str) -> None:
    llm = connect(settings_for(openai.url))
    assert ask(llm, how) == WHOLE
    assert ask(llm, how) == WHOLE


def test_usage_also_of_streams(openai: FakeOpenAI) -> None:
    llm = connect(settings_for(openai.url))
    counts = {"model": "served", "prompt_tokens": 26, "completion_tokens": 12}
    assert usage_of(llm.chat(ASK)) == {**counts, "finish_reason": "stop"}
    assert usage_of(list(llm.stream_chat(ASK))[-1]) == counts
    assert openai.requests[-1]["body"]["stream_options"] == {"include_usage": True}


def test_thinking_is_switched_off_only_where_a_model_has_the_switch(openai: FakeOpenAI) -> None:
    off = {"enable_thinking": False, "thinking": False}
    for model, thinking, expected in [
        ("Qwen/Qwen3-8B", False, off),
        ("Qwen/Qwen3-8B", True, None),
        ("meta-llama/Llama-3.1-8B-Instruct", False, None),
    ]:
        ask(connect(settings_for(openai.url, model=model, thinking=thinking)), "chat")
        assert openai.requests[-1]["body"].get("chat_template_kwargs") == expected


def test_nothing_goes_to_openai_by_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-private")
    monkeypatch.setenv("OPENAI_API_BASE", "https://api.openai.com/v1")
    llm = connect(settings_for(None))
    assert llm.api_base == "http://127.0.0.1:8000/v1"
    assert llm.api_key == "none"


def test_a_shorter_answer(openai: FakeOpenAI) -> None:
    llm = connect(settings_for(openai.url, max_tokens=500))
    ask(with_max_tokens(llm, 50), "chat")  # type: ignore[arg-type]
    assert openai.requests[-1]["body"]["max_tokens"] == 50
    assert llm.metadata.num_output == 500


@WAYS
def test_server_down(free_port: int, how: str) -> None:
    error = failure(settings_for(f"http://127.0.0.1:{free_port}"), how)
    assert type(error) is LLMUnreachableError
    assert f"http://127.0.0.1:{free_port}/v1 cannot be reached" in str(error)
    assert "refused" in str(error) or "attempts failed" in str(error)


@WAYS
def test_too_slow_is_asked_once(openai: FakeOpenAI, how: str) -> None:
    openai.hang()
    error = failure(settings_for(openai.url, timeout=0.2), how)
    assert type(error) is LLMTimeoutError
    assert len(openai.requests) == 1


@WAYS
def test_missing_model(openai: FakeOpenAI, how: str) -> None:
    openai.refuse(
        404, {"error": {"message": "The model `served` does not exist.", "type": "NotFoundError", "code": 404}}
    )
    error = failure(settings_for(openai.url), how)
    assert type(error) is LLMModelNotFoundError
    assert f"GET {openai.url}/v1/models lists" in str(error)


@pytest.mark.parametrize(
    ("status", "words", "sentence"),
    [
        (404, "Not Found", "has no OpenAI API (404 Not Found); check llm.base_url (it usually ends in /v1)"),
        (401, "Unauthorized", "put the server's key into the environment variable RAG_API_KEY"),
        (400, "This model's maximum context length is 2048 tokens.", "lower retrieval.top_n or retrieval.window"),
        (429, "Rate limit reached", "wait until it has answered other requests"),
        (500, "Internal Server Error", "see the server's log"),
    ],
)
def test_refusals(openai: FakeOpenAI, status: int, words: str, sentence: str) -> None:
    openai.refuse(status, {"error": {"message": words, "type": "x", "param": None, "code": status}})
    error = failure(settings_for(openai.url))
    assert type(error) is LLMError
    assert sentence in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("how", ["stream_chat", "astream_chat"])
def test_an_error_in_the_stream_is_raised(openai: FakeOpenAI, how: str) -> None:
    broken = 'data: {"error": {"message": "engine died", "type": "InternalServerError", "code": 500}}\n\n'
    openai.lines = [openai.chunk("The ferry "), broken, "data: [DONE]\n\n"]
    error = failure(settings_for(openai.url), how)
    assert type(error) is LLMError
    assert "stopped in the middle of the answer (engine died)" in str(error)


@pytest.mark.parametrize("how", ["stream_chat", "astream_chat"])
def test_a_stream_without_its_end_is_raised(openai: FakeOpenAI, how: str) -> None:
    openai.lines = [openai.chunk("The ferry ")]
    assert "broke off before its end" in str(failure(settings_for(openai.url), how))
