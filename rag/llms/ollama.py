"""Ollama, as LlamaIndex's own class with everything said that it otherwise leaves to chance.

``num_ctx`` and ``num_predict`` always go out (the default asks /api/show and takes the model's full context, or the
server's 4096), thinking is off unless wanted, proxies never stand before a loopback host, and OLLAMA_HOST counts.
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
    """LlamaIndex's ``Ollama`` that knows its longest answer, notices a stream that breaks off, and passes on
    ``logprobs`` and ``top_logprobs``, which the base class drops as it does all options of a call."""

    gives_logprobs: ClassVar[bool] = True

    @property
    def metadata(self) -> LLMMetadata:
        """The same, with ``num_output`` the true num_predict: LlamaIndex's prompt helper subtracts it."""
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
        """This model, or a copy whose client asks for log-probabilities; takes those options out of ``kwargs``."""
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
    """The same, guarded: no control strings go in, no thinking comes out."""


def connect_ollama(settings: LLMSettings, environ: Mapping[str, str] = os.environ) -> OllamaLLM:
    """The Ollama model that the settings name. Nothing is sent until the first question."""
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
