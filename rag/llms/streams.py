"""Detect streamed answers that break off: a failure, not a shorter answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from llama_index.core.base.llms.types import ChatResponse, ChatResponseAsyncGen, ChatResponseGen

from indexes.errors import LLMError

Finished = Callable[[Any], bool]


def whole(stream: Iterator[ChatResponse], finished: Finished, model: str) -> ChatResponseGen:
    """Pass the stream on; raise LLMError if it ends without the server's end mark.

    To the HTTP client a server that dies behind a proxy, or closes a connection without a length, looks like a normal
    end.

    >>> from llama_index.core.base.llms.types import ChatMessage
    >>> pieces = [ChatResponse(message=ChatMessage(content="at si"), raw={"done": False})]
    >>> list(whole(iter(pieces), lambda raw: raw["done"], "qwen3"))
    Traceback (most recent call last):
        ...
    indexes.errors.LLMError: the answer of the language model 'qwen3' broke off before its end; ask again, and see the
     server's log if it happens again
    """
    seen = False
    for response in stream:
        seen = seen or finished(response.raw)
        yield response
    if not seen:
        raise _broken_off(model)


async def whole_async(stream: AsyncIterator[ChatResponse], finished: Finished, model: str) -> ChatResponseAsyncGen:
    """Do what ``whole`` does for an asynchronous stream.

    >>> import asyncio
    >>> from llama_index.core.base.llms.types import ChatMessage
    >>> async def pieces():
    ...     yield ChatResponse(message=ChatMessage(content="at si"), raw={"done": False})
    >>> async def read():
    ...     return [piece async for piece in whole_async(pieces(), lambda raw: raw["done"], "qwen3")]
    >>> asyncio.run(read())
    Traceback (most recent call last):
        ...
    indexes.errors.LLMError: the answer of the language model 'qwen3' broke off before its end; ask again, and see the
     server's log if it happens again
    """
    seen = False
    async for response in stream:
        seen = seen or finished(response.raw)
        yield response
    if not seen:
        raise _broken_off(model)


def _broken_off(model: str) -> LLMError:
    """Return the error for an answer that broke off."""
    return LLMError(
        f"the answer of the language model '{model}' broke off before its end",
        remedy="ask again, and see the server's log if it happens again",
    )
