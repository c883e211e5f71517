"""Failures that no server here can produce, and the package's own manners."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.mock import MockLLM

from indexes.errors import LLMError, LLMTimeoutError, LLMUnreachableError, MissingExtraError
from rag.llms import build_llm, explain_llm_error, usage_of, with_max_tokens
from rag.settings import LLMSettings
from tests.indexes.test_http_limits import raw_server

OLLAMA = LLMSettings()


def caused(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("exc", "kind", "words"),
    [
        (httpx.ConnectTimeout("timed out"), LLMUnreachableError, "no answer to the connection attempt"),
        (TimeoutError(), LLMTimeoutError, "sent nothing for 120 s"),
        (httpx.RemoteProtocolError("peer closed connection"), LLMError, "before the answer's end"),
        (caused(ValueError("wrapped"), httpx.ReadTimeout("slow")), LLMTimeoutError, "sent nothing"),
        (ConnectionResetError(104, "Connection reset by peer"), LLMError, "closed the connection"),
        (KeyError("message"), LLMError, "failed (KeyError: 'message'); check the llm section"),
        (MissingExtraError.of("x", needed_for="y", install="pip install x"), LLMError, "run: pip install x"),
    ],
)
def test_kinds(exc: Exception, kind: type[LLMError], words: str) -> None:
    error = explain_llm_error(exc, OLLAMA, {})
    assert type(error) is kind
    assert words in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("provider", ["ollama", "openai"])
def test_a_question_is_not_sent_on_to_another_host(provider: Any) -> None:
    reached: list[int] = []
    with raw_server(lambda one: reached.append(1)) as other:
        head = f"HTTP/1.1 307 Moved\r\nLocation: {other}/v1/chat\r\nContent-Length: 0\r\n\r\n".encode()
        with raw_server(lambda one: one.sendall(head)) as url:
            settings = LLMSettings(provider=provider, base_url=url, model="m", timeout=5)
            llm = build_llm(settings)
            assert llm is not None
            with pytest.raises(Exception) as raised:
                llm.chat([ChatMessage("a private question")])
            assert "answered 307" in str(explain_llm_error(raised.value, settings))
    assert reached == []


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "{}", '{"choices": []}', "[" * 3000])
@pytest.mark.parametrize("provider", ["ollama", "openai"])
def test_answers_of_another_shape_are_explained(provider: Any, body: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with raw_server(lambda one: one.sendall((head + body).encode())) as url:
        settings = LLMSettings(provider=provider, base_url=url, model="m", timeout=5)
        llm = build_llm(settings)
        assert llm is not None
        with pytest.raises(Exception) as raised:
            llm.chat([ChatMessage("hi")])
        api = "OpenAI" if provider == "openai" else "Ollama"
        said = str(explain_llm_error(raised.value, settings, {}))
        assert f"{url} does not answer as the {api} API" in said


def test_a_key_that_a_server_echoes_is_not_shown() -> None:
    settings = OLLAMA.model_copy(update={"api_key_env": "MINE"})
    error = explain_llm_error(ValueError("wrong key tulip-harbour"), settings, {"MINE": "tulip-harbour"})
    assert "wrong key ***" in str(error) and "tulip" not in str(error)


def test_an_explained_error_stays_itself() -> None:
    error = LLMTimeoutError("slow", remedy="wait")
    assert explain_llm_error(error, OLLAMA) is error


def test_another_machine_is_not_told_to_run_ollama_here() -> None:
    there = OLLAMA.model_copy(update={"base_url": "http://gpu-box:11434"})
    assert "start Ollama there" in str(explain_llm_error(ConnectionError("no"), there, {}))


def test_usage_of_an_llm_that_reports_nothing() -> None:
    assert usage_of(ChatResponse(message=ChatMessage(content="hi"))) == {}
    assert usage_of(ChatResponse(message=ChatMessage(content="hi"), raw={"text": "hi"})) == {}
    assert usage_of(None) == {}


class FakeUnlimitedLLM(CustomLLM):
    """An LLM of a user's own, with no limit to set."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=prompt)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        raise NotImplementedError


def test_with_max_tokens_shortens_a_copy() -> None:
    llm = MockLLM(max_tokens=4)
    assert with_max_tokens(llm, 2).complete("Hello").text == "text text"
    assert llm.complete("Hello").text == "text text text text"


def test_with_max_tokens_gives_back_an_llm_that_has_no_limit() -> None:
    llm = FakeUnlimitedLLM()
    assert with_max_tokens(llm, 3) is llm


def test_provider_none_and_no_heavy_import() -> None:
    assert build_llm(LLMSettings(provider="none")) is None
    code = (
        "import sys, rag.llms; "
        "print([m for m in ('torch', 'openai', 'ollama', 'xllamacpp', 'llama_index.core') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
