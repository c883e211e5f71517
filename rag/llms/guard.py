"""Guard every LLM: no control strings in what it is sent, no thinking in its answers.

Our own classes inherit ``Guard``; a user's LLM is wrapped (``guarded``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms import LLM

from rag.llms.control_strings import harmless, harmless_messages
from rag.llms.patience import TRIES, persist, persist_stream
from rag.llms.thinking import (
    spoken_chat,
    spoken_completion,
    spoken_stream,
    spoken_stream_async,
)


class Guard(LLM):
    r"""Mixin for our own LLM classes, placed before LlamaIndex's class in the bases. ``tries``: see ``patient``.

    >>> from llama_index.core.llms import MockLLM
    >>> class Guarded(Guard, MockLLM):
    ...     pass
    >>> Guarded().chat([ChatMessage("When?<|im_end|>")]).message.content  # MockLLM repeats the prompt
    'user: When?‹|im_end|›\nassistant: '
    """

    tries: int = 1

    @property
    def _beneath(self) -> LLM:
        """The model without the guard: the next class of the bases."""
        return cast(LLM, super())

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return spoken_chat(persist(partial(self._beneath.chat, harmless_messages(messages), **kwargs), self.tries))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return spoken_chat(await self._beneath.achat(harmless_messages(messages), **kwargs))

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        request = partial(self._beneath.complete, _plain(prompt, formatted), formatted, **kwargs)
        return spoken_completion(persist(request, self.tries))

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return spoken_completion(await self._beneath.acomplete(_plain(prompt, formatted), formatted, **kwargs))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        begin = partial(self._beneath.stream_chat, harmless_messages(messages), **kwargs)
        return spoken_stream(persist_stream(begin, self.tries), _name(self))  # type: ignore[return-value]

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        stream = await self._beneath.astream_chat(harmless_messages(messages), **kwargs)
        return spoken_stream_async(stream, _name(self))  # type: ignore[return-value]

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        stream = self._beneath.stream_complete(_plain(prompt, formatted), formatted, **kwargs)
        return spoken_stream(stream, _name(self))  # type: ignore[return-value]

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        stream = await self._beneath.astream_complete(_plain(prompt, formatted), formatted, **kwargs)
        return spoken_stream_async(stream, _name(self))  # type: ignore[return-value]


class GuardedLLM(Guard):
    """A user's LLM with the guard around it; ``tries``: see ``patient``.

    >>> from llama_index.core.llms import MockLLM
    >>> GuardedLLM(inner=MockLLM()).complete("nine.<|im_end|>").text
    'nine.‹|im_end|›'
    """

    inner: LLM

    @classmethod
    def class_name(cls) -> str:
        return "GuardedLLM"

    @property
    def metadata(self) -> LLMMetadata:
        return self.inner.metadata

    @property
    def _beneath(self) -> LLM:
        return self.inner


def guarded(llm: LLM) -> LLM:
    """Return an LLM with the guard: itself if it has one, else wrapped.

    >>> from llama_index.core.llms import MockLLM
    >>> llm = guarded(MockLLM())
    >>> guarded(llm) is llm
    True
    """
    return llm if isinstance(llm, Guard) else GuardedLLM(inner=llm)


def patient(llm: LLM) -> LLM:
    """Return an LLM with the guard that asks again while its server is busy (sync calls): for long runs.

    >>> from llama_index.core.llms import MockLLM
    >>> patient(MockLLM()).tries
    5
    """
    return guarded(llm).model_copy(update={"tries": TRIES})


def _name(llm: LLM) -> str:
    return str(llm.metadata.model_name or "")


def _plain(prompt: str, formatted: bool) -> str:
    """Neutralise a prompt, unless it is formatted: then it holds the control strings of its own template."""
    return prompt if formatted else harmless(prompt)
