"""Two ways to run the steps of an answer: on the calling thread, or on an event loop without blocking it.

The steps are written once, as coroutines. With ``Blocking`` they never wait, so they run to their end when they are
stepped (``run_now``, ``in_step``), with or without a running event loop. ``Awaiting`` awaits language models through
their asynchronous clients and computes in threads.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from llama_index.core.base.llms.types import ChatMessage, ChatResponse
    from llama_index.core.llms import LLM
    from llama_index.core.response_synthesizers import BaseSynthesizer
    from llama_index.core.schema import NodeWithScore

T = TypeVar("T")
Replies: TypeAlias = "AsyncGenerator[ChatResponse, None]"
_ENDED = object()


class Way(Protocol):
    """How the steps of an answer run."""

    async def compute(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a function that computes or reads the store; return its result."""

    async def chat(self, llm: LLM, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        """Ask the model; return its whole reply."""

    def stream(self, llm: LLM, messages: Sequence[ChatMessage], **options: Any) -> Replies:
        """Ask the model; yield its reply as it arrives. Closing the generator stops the model."""

    async def synthesize(self, llm: LLM, by: BaseSynthesizer, question: str, nodes: list[NodeWithScore]) -> str:
        """Answer from nodes with one of LlamaIndex's response modes."""


class Blocking:
    """Run everything on the calling thread.

    >>> run_now(Blocking().compute(max, 1, 2))
    2
    """

    async def compute(self, work: Callable[..., T], *arguments: Any) -> T:
        return work(*arguments)

    async def chat(self, llm: LLM, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        return llm.chat(messages, **options)

    async def stream(self, llm: LLM, messages: Sequence[ChatMessage], **options: Any) -> Replies:
        pieces = llm.stream_chat(messages, **options)
        try:
            for piece in pieces:
                yield piece
        finally:
            _close(pieces)

    async def synthesize(self, llm: LLM, by: BaseSynthesizer, question: str, nodes: list[NodeWithScore]) -> str:
        return str(by.synthesize(question, nodes=nodes))


class Awaiting:
    """Await requests to language models, and compute in threads.

    A LlamaIndex ``CustomLLM`` has no asynchronous client (its async methods block the loop), so it is called in a
    thread.

    >>> import asyncio
    >>> asyncio.run(Awaiting().compute(max, 1, 2))
    2

    Args:
        threads: the executor; None: the event loop's, whose few threads are shared with everything else.
    """

    def __init__(self, threads: Executor | None = None) -> None:
        self._threads = threads

    async def compute(self, work: Callable[..., T], *arguments: Any) -> T:
        context = contextvars.copy_context()  # carries LlamaIndex's spans, as asyncio.to_thread does
        run = functools.partial(context.run, work, *arguments)
        import asyncio

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def chat(self, llm: LLM, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        if _blocks(llm):
            return await self.compute(functools.partial(llm.chat, messages, **options))
        return await llm.achat(messages, **options)

    async def stream(self, llm: LLM, messages: Sequence[ChatMessage], **options: Any) -> Replies:
        if _blocks(llm):
            pieces = await self.compute(functools.partial(llm.stream_chat, messages, **options))
            try:
                while (piece := await self.compute(next, pieces, _ENDED)) is not _ENDED:
                    yield piece  # type: ignore[misc]
            finally:
                _close(pieces)
            return
        replies = await llm.astream_chat(messages, **options)
        async with aclosing(replies):
            async for reply in replies:
                yield reply

    async def synthesize(self, llm: LLM, by: BaseSynthesizer, question: str, nodes: list[NodeWithScore]) -> str:
        if _blocks(llm):
            return str(await self.compute(by.synthesize, question, nodes))
        return str(await by.asynthesize(question, nodes=nodes))


BLOCKING, AWAITING = Blocking(), Awaiting()


def run_now(steps: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine whose steps never wait (``Blocking``); return its result.

    >>> async def steps():
    ...     return await Blocking().compute(max, 1, 2)
    >>> run_now(steps())
    2
    """
    try:
        steps.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    steps.close()
    raise RuntimeError("a step waited, but must run at once")


def in_step(pieces: AsyncGenerator[T, None]) -> Iterator[T]:
    """Iterate over an asynchronous generator whose steps never wait; closing this closes it.

    >>> async def pieces():
    ...     yield "at "
    ...     yield "six"
    >>> list(in_step(pieces()))
    ['at ', 'six']
    """
    ended = False
    try:
        while True:
            try:
                piece = run_now(_next(pieces))
            except StopAsyncIteration:
                ended = True
                return
            yield piece
    finally:
        if not ended:
            run_now(pieces.aclose())


async def _next(pieces: AsyncGenerator[T, None]) -> T:
    return await pieces.__anext__()


def _blocks(llm: LLM) -> bool:
    from llama_index.core.llms import CustomLLM

    return isinstance(getattr(llm, "inner", llm), CustomLLM)


def _close(pieces: Any) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        with suppress(ValueError):  # a cancelled task's thread may still be in it
            close()
