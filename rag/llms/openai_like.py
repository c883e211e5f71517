"""OpenAI-compatible servers (vLLM, llama.cpp's server, LM Studio, hosted ones) as LlamaIndex's ``OpenAILike``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from llama_index.core.base.llms.types import ChatMessage, ChatResponseAsyncGen, ChatResponseGen
from llama_index.llms.openai_like import OpenAILike

from indexes.addresses import is_loopback
from indexes.http import client_options
from rag.llms.guard import Guard
from rag.llms.streams import whole, whole_async
from rag.llms.thinking import thinking_switch
from rag.llms.transports import async_stream_options, stream_options
from rag.settings import LLMSettings

DEFAULT_URL = "http://127.0.0.1:8000/v1"  # where `vllm serve` listens
NO_KEY = "none"  # ignored by servers without keys; an empty key would send OPENAI_API_KEY to another party


class OpenAILikeLLM(Guard, OpenAILike):
    """``OpenAILike`` with the guard and a short connection time-out, which detects a broken stream.

    Build it with ``connect_openai_like``.
    """

    def _get_credential_kwargs(self, is_async: bool = False) -> dict[str, Any]:
        timeout = client_options(self.api_base or "", self.timeout)["timeout"]
        # The SDK repeats time-outs too, so a local server is asked once, and a busy hosted one twice.
        retries = 0 if is_loopback(self.api_base or "") else 1
        return {**super()._get_credential_kwargs(is_async), "timeout": timeout, "max_retries": retries}

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return whole(super()._stream_chat(messages, **kwargs), _finished, self.model)

    async def _astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        return whole_async(await super()._astream_chat(messages, **kwargs), _finished, self.model)


def connect_openai_like(settings: LLMSettings, environ: Mapping[str, str] = os.environ) -> OpenAILikeLLM:
    """Return the server's model that the settings name; nothing is sent before the first question.

    Without ``base_url`` it is vLLM's default address, never OpenAI's.

    >>> connect_openai_like(LLMSettings(provider="openai", model="qwen3"), {}).api_base
    'http://127.0.0.1:8000/v1'
    """
    base_url = (settings.base_url or DEFAULT_URL).rstrip("/")
    return OpenAILikeLLM(
        **arguments(settings, base_url, environ.get(settings.api_key_env) or NO_KEY),
        **http_clients(base_url, settings.timeout),
    )


def arguments(settings: LLMSettings, base_url: str, api_key: str) -> dict[str, Any]:
    """Return the arguments of ``OpenAILike``.

    >>> settings = LLMSettings(provider="openai", model="qwen3", max_tokens=256)
    >>> arguments(settings, "http://127.0.0.1:8000/v1", "none")["max_tokens"]
    256
    """
    extra: dict[str, Any] = {"stream_options": {"include_usage": True}}  # else a streamed answer has no token counts
    if switch := thinking_switch(settings):
        extra["extra_body"] = switch
    return {
        "model": settings.model,
        "api_base": base_url,
        "api_key": api_key,
        "context_window": settings.context_window,
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "timeout": settings.timeout,
        "max_retries": 0,
        "is_chat_model": True,
        "additional_kwargs": extra,
    }


def http_clients(base_url: str, timeout: float) -> dict[str, Any]:
    """Return clients for sync and async calls; addresses on this machine are called without a proxy.

    >>> sorted(http_clients("http://127.0.0.1:8000/v1", timeout=60.0))
    ['async_http_client', 'http_client']
    """
    return {
        "http_client": httpx.Client(**stream_options(base_url, timeout)),
        "async_http_client": httpx.AsyncClient(**async_stream_options(base_url, timeout)),
    }


def _finished(raw: Any) -> bool:
    return any(choice.finish_reason for choice in getattr(raw, "choices", None) or [])
