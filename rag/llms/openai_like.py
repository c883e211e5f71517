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
NO_KEY = "none"  # servers without keys ignore it; an empty one would send OPENAI_API_KEY to a stranger


class OpenAILikeLLM(Guard, OpenAILike):
    """``OpenAILike`` with a short connection time-out, that notices a stream that breaks off and is guarded."""

    def _get_credential_kwargs(self, is_async: bool = False) -> dict[str, Any]:
        timeout = client_options(self.api_base or "", self.timeout)["timeout"]
        # The SDK repeats time-outs too, so a local server is asked once; a hosted one that is busy, twice.
        retries = 0 if is_loopback(self.api_base or "") else 1
        return {**super()._get_credential_kwargs(is_async), "timeout": timeout, "max_retries": retries}

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return whole(super()._stream_chat(messages, **kwargs), _finished, self.model)

    async def _astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        return whole_async(await super()._astream_chat(messages, **kwargs), _finished, self.model)


def connect_openai_like(settings: LLMSettings, environ: Mapping[str, str] = os.environ) -> OpenAILikeLLM:
    """The server's model that the settings name; without ``base_url`` vLLM's own address, never OpenAI's.

    Nothing is sent until the first question.
    """
    base_url = (settings.base_url or DEFAULT_URL).rstrip("/")
    return OpenAILikeLLM(
        **arguments(settings, base_url, environ.get(settings.api_key_env) or NO_KEY),
        **http_clients(base_url, settings.timeout),
    )


def arguments(settings: LLMSettings, base_url: str, api_key: str) -> dict[str, Any]:
    """What ``OpenAILike`` is built with."""
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
    """Clients for sync and async calls that no proxy diverts from this machine."""
    return {
        "http_client": httpx.Client(**stream_options(base_url, timeout)),
        "async_http_client": httpx.AsyncClient(**async_stream_options(base_url, timeout)),
    }


def _finished(raw: Any) -> bool:
    return any(choice.finish_reason for choice in getattr(raw, "choices", None) or [])
