"""Ollama as LlamaIndex's class, with every option set explicitly.

``num_ctx`` and ``num_predict`` are always sent (LlamaIndex takes the model's full context from /api/show, the server
4096), thinking is off unless asked for, loopback hosts are never called through a proxy, and OLLAMA_HOST is respected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    LLMMetadata,
)
from llama_index.llms.ollama import Ollama
from ollama import AsyncClient, Client

from indexes.addresses import ollama_base_url
from rag.llms.guard import Guard
from rag.llms.streams import whole, whole_async
from rag.llms.transports import async_stream_options, stream_options
from rag.settings import LLMSettings


class _WholeOllama(Ollama):
    """LlamaIndex's ``Ollama`` that knows its answer limit, detects a broken stream, and passes on ``logprobs`` and
    ``top_logprobs`` (the base class drops all options of a call)."""

    gives_logprobs: ClassVar[bool] = True

    @property
    def metadata(self) -> LLMMetadata:
        """Metadata with the true num_predict as ``num_output``, which LlamaIndex's prompt helper subtracts."""
        known = super().metadata
        return known.model_copy(update={"num_output": self.additional_kwargs.get("num_predict", known.num_output)})

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return super(_WholeOllama, self._asking(kwargs)).chat(messages, **kwargs)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        stream = super(_WholeOllama, self._asking(kwargs)).stream_chat(messages, **kwargs)
        return whole(stream, _finished, self.model)

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return await super(_WholeOllama, self._asking(kwargs)).achat(messages, **kwargs)

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        stream = await super(_WholeOllama, self._asking(kwargs)).astream_chat(messages, **kwargs)
        return whole_async(stream, _finished, self.model)

    def _asking(self, kwargs: dict[str, Any]) -> _WholeOllama:
        """Return this model, or a copy whose client asks for log-probabilities; drop those options from ``kwargs``."""
        extra: dict[str, Any] = {name: kwargs.pop(name) for name in ("logprobs", "top_logprobs") if name in kwargs}
        if not extra:
            return self
        copy = self.model_copy()
        copy._client = cast(Client, _AskingClient(self.client, extra))
        copy._async_client = cast(AsyncClient, _AskingClient(self.async_client, extra))
        return copy


class _AskingClient:
    """An Ollama client (of either kind) that adds options to each chat."""

    def __init__(self, client: Client | AsyncClient, extra: dict[str, Any]) -> None:
        self._client, self._extra = client, extra

    def chat(self, *args: Any, **kwargs: Any) -> Any:
        return self._client.chat(*args, **{**kwargs, **self._extra})


class OllamaLLM(Guard, _WholeOllama):
    """``Ollama`` with the guard; build it with ``connect_ollama``."""


def connect_ollama(settings: LLMSettings, environ: Mapping[str, str] = os.environ) -> OllamaLLM:
    """Return the Ollama model that the settings name; nothing is sent before the first question.

    >>> llm = connect_ollama(LLMSettings(provider="ollama", model="qwen3:8b", max_tokens=256), {})
    >>> llm.model, llm.metadata.num_output
    ('qwen3:8b', 256)
    """
    base_url = ollama_base_url(settings.base_url, environ)
    return OllamaLLM(
        model=settings.model,
        base_url=base_url,
        temperature=settings.temperature,
        context_window=settings.context_window,
        request_timeout=settings.timeout,
        keep_alive=settings.keep_alive,
        thinking=settings.thinking,
        additional_kwargs={"num_predict": settings.max_tokens},
        client=Client(host=base_url, **stream_options(base_url, settings.timeout)),
        async_client=AsyncClient(host=base_url, **async_stream_options(base_url, settings.timeout)),
    )


def _finished(raw: Any) -> bool:
    return bool(raw and raw.get("done"))
