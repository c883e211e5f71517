"""Response modes without a model or without documents, and the second try in the question's language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rag.answer.language import Language
from rag.answer.prompt.prompts import context_text
from rag.retrieval.candidate import Passage

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatMessage

WITHOUT_MODEL: dict[str, Callable[[Sequence[Passage]], str]] = {
    "no_text": lambda passages: "",
    "context_only": context_text,
}
_IN_LANGUAGE: dict[Language, str] = {"en": "\n\nAnswer in English.", "zh": "\n\n请用中文回答。"}


def generation_messages(question: str) -> list[ChatMessage]:
    """Return the question alone, as LlamaIndex's mode "generation" sends it.

    >>> [message.content for message in generation_messages("When does the harbour open?")]
    ['When does the harbour open?']
    """
    from llama_index.core.base.llms.types import ChatMessage, MessageRole

    return [ChatMessage(role=MessageRole.USER, content=question)]


def in_language(message: ChatMessage, language: Language) -> ChatMessage:
    """Append the language of the answer to the user's message.

    >>> print(in_language(generation_messages("港口几点开放？")[0], "zh").content)
    港口几点开放？
    <BLANKLINE>
    请用中文回答。
    """
    from llama_index.core.base.llms.types import ChatMessage

    return ChatMessage(role=message.role, content=f"{message.content}{_IN_LANGUAGE[language]}")
