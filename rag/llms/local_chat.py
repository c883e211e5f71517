"""A chat model behind an OpenAI-compatible server in this process, without OpenAI's package, which is slow to import.

It has only what llama.cpp's server needs: chat, whole and streamed, blocking and awaited. Completions are chats of one
message, since the model's template is put around them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

import httpx
from llama_index.core.base.llms.generic_utils import (
    achat_to_completion_decorator,
    astream_chat_to_completion_decorator,
    chat_to_completion_decorator,
    stream_chat_to_completion_decorator,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.llms import LLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

from rag.llms.streams import whole, whole_async

CHAT = "chat/completions"
DATA, DONE = "data:", "[DONE]"


class ResponseError(Exception):
    """The server's error instead of an answer; ``status_code`` is 0 within a stream, ``body`` has its ``message``.

    >>> error = ResponseError(503, {"message": "loading the model"})
    >>> error.status_code, str(error)
    (503, 'loading the model')
    >>> str(ResponseError(500, {}))
    'status 500'
    """

    def __init__(self, status_code: int, said: Any) -> None:
        self.status_code = status_code
        self.body = said if isinstance(said, dict) else {"message": str(said)}
        super().__init__(str(self.body.get("message") or f"status {status_code}"))


class LocalChat(LLM):
    """A LlamaIndex LLM; copies share its connections.

    >>> answer = {"choices": [{"message": {"role": "assistant", "content": "At six."}, "finish_reason": "stop"}]}
    >>> server = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))  # in the place of a server
    >>> clients = {"http_client": httpx.Client(transport=server), "async_http_client": httpx.AsyncClient()}
    >>> limits = {"context_window": 8192, "max_tokens": 1024, "temperature": 0.1}
    >>> llm = LocalChat(model="qwen3", api_base="http://127.0.0.1/v1", api_key="secret", **limits, **clients)
    >>> llm.chat([ChatMessage("When does it open?")]).message.content
    'At six.'
    """

    model: str
    api_base: str
    api_key: str = Field(repr=False)
    context_window: int
    max_tokens: int
    temperature: float
    body: dict[str, Any] = Field(default_factory=dict, description="sent with each question")

    _client: httpx.Client = PrivateAttr()
    _async_client: httpx.AsyncClient = PrivateAttr()

    def __init__(self, *, http_client: httpx.Client, async_http_client: httpx.AsyncClient, **fields: Any) -> None:
        super().__init__(**fields)
        self._client, self._async_client = http_client, async_http_client

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            context_window=self.context_window,
            num_output=self.max_tokens,
            is_chat_model=True,
            model_name=self.model,
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        answer = self._client.post(**self._request(messages, kwargs))
        return _whole_answer(_read(answer.status_code, answer.content))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        answer = await self._async_client.post(**self._request(messages, kwargs))
        return _whole_answer(_read(answer.status_code, answer.content))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        request = self._request(messages, kwargs, stream=True)

        def pieces() -> Iterator[ChatResponse]:
            with self._client.stream("POST", **request) as answer:
                if answer.status_code >= httpx.codes.MULTIPLE_CHOICES:
                    _read(answer.status_code, answer.read())
                said = _Said()
                for event in _events(answer.iter_lines()):
                    yield said.after(event)

        return whole(pieces(), _finished, self.model)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        request = self._request(messages, kwargs, stream=True)

        async def pieces() -> AsyncIterator[ChatResponse]:
            async with self._async_client.stream("POST", **request) as answer:
                if answer.status_code >= httpx.codes.MULTIPLE_CHOICES:
                    _read(answer.status_code, await answer.aread())
                said = _Said()
                async for line in answer.aiter_lines():
                    for event in _events([line]):
                        yield said.after(event)

        return whole_async(pieces(), _finished, self.model)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return chat_to_completion_decorator(self.chat)(prompt, **kwargs)

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return await achat_to_completion_decorator(self.achat)(prompt, **kwargs)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        return stream_chat_to_completion_decorator(self.stream_chat)(prompt, **kwargs)

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        return await astream_chat_to_completion_decorator(self.astream_chat)(prompt, **kwargs)

    def _request(
        self, messages: Sequence[ChatMessage], more: dict[str, Any], *, stream: bool = False
    ) -> dict[str, Any]:
        """Return the client's arguments; the model's answer limit overrides a call's, as in LlamaIndex."""
        body: dict[str, Any] = {
            "temperature": self.temperature,
            **self.body,
            **more,
            "model": self.model,
            "max_tokens": self.max_tokens,
            "messages": [{"role": message.role.value, "content": message.content or ""} for message in messages],
        }
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}  # without it there are no token counts
        return {
            "url": f"{self.api_base}/{CHAT}",
            "json": body,
            "headers": {"authorization": f"Bearer {self.api_key}"},
        }


class _Said:
    """The answer so far."""

    def __init__(self) -> None:
        self._text = ""

    def after(self, event: dict[str, Any]) -> ChatResponse:
        """Return the response with one more event of the stream."""
        choices = event.get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        piece, thought = delta.get("content") or "", delta.get("reasoning_content")
        self._text += piece
        return ChatResponse(
            message=ChatMessage(role=MessageRole.ASSISTANT, content=self._text),
            delta=piece,
            raw=event,
            additional_kwargs={"thinking_delta": thought} if thought else {},
        )


def _whole_answer(answer: dict[str, Any]) -> ChatResponse:
    message = answer["choices"][0]["message"]
    return ChatResponse(
        message=ChatMessage(role=MessageRole.ASSISTANT, content=message.get("content") or ""), raw=answer
    )


def _read(status: int, content: bytes) -> dict[str, Any]:
    """Return the answer's JSON.

    Raises:
        ResponseError: the server refused, in its words.
        JSONDecodeError: it is not JSON.
    """
    if status < httpx.codes.MULTIPLE_CHOICES:
        found: dict[str, Any] = json.loads(content)
        return found
    try:
        said = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        said = content.decode("utf-8", "replace")
    raise ResponseError(status, said)


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the JSON of a stream's events (server-sent events, one per line)."""
    for line in lines:
        if not line.startswith((DATA, "error:")):
            continue
        content = line.partition(":")[2].strip()
        if content == DONE:
            continue
        event = json.loads(content)
        if "error" in event or line.startswith("error:"):
            raise ResponseError(0, event.get("error", event))
        yield event


def _finished(raw: Any) -> bool:
    return any(choice.get("finish_reason") for choice in raw.get("choices") or [])
