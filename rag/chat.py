"""A chat engine over the query engine: follow-up questions are rewritten so that they stand alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.base.response.schema import Response
from llama_index.core.callbacks import trace_method
from llama_index.core.chat_engine.types import (
    AgentChatResponse,
    BaseChatEngine,
    StreamingAgentChatResponse,
)
from llama_index.core.llms import LLM
from llama_index.core.memory import ChatMemoryBuffer

from indexes.display import Bilingual, text_in
from indexes.errors import must_be
from rag.answer.language import detect_language
from rag.answer.prompt.follow_up import joined
from rag.answer.prompt.prompts import condense_messages
from rag.engine import AnswerStream, RagQueryEngine
from rag.llms import explain_llm_error
from rag.ways import BLOCKING, Way, run_now

TOGETHER = "it was searched together with the previous question"
TOGETHER_ZH = "因此与上一个问题一起检索"


class RagChatEngine(BaseChatEngine):
    """A LlamaIndex chat engine; responses have the same ``metadata`` as the query engine's.

    Args:
        engine: answers each question.
    """

    def __init__(self, engine: RagQueryEngine) -> None:
        self.engine = engine
        self.callback_manager = engine.callback_manager
        self._memory = ChatMemoryBuffer.from_defaults(token_limit=engine.settings.answer.memory_tokens)

    @property
    def chat_history(self) -> list[ChatMessage]:
        return self._memory.get_all()

    def reset(self) -> None:
        """Forget the conversation."""
        self._memory.reset()

    @trace_method("chat")
    def chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        searched, note = run_now(self._condense(message, chat_history, BLOCKING))
        return self._remember(message, note, self.engine.answer(message, searched=searched))

    @trace_method("chat")
    async def achat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        searched, note = await self._condense(message, chat_history, self.engine.awaiting)
        return self._remember(message, note, await self.engine.aanswer(message, searched=searched))

    def stream(self, message: str, chat_history: list[ChatMessage] | None = None) -> AnswerStream:
        """Answer token by token; the turn is remembered after the last token."""
        searched, note = run_now(self._condense(message, chat_history, BLOCKING))
        return self.engine.stream(message, searched=searched, on_end=partial(self._remember, message, note))

    async def astream(self, message: str, chat_history: list[ChatMessage] | None = None) -> AnswerStream:
        """Stream without blocking the event loop: iterate ``.atokens()``."""
        searched, note = await self._condense(message, chat_history, self.engine.awaiting)
        return await self.engine.astream(message, searched=searched, on_end=partial(self._remember, message, note))

    @trace_method("chat")
    def stream_chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> StreamingAgentChatResponse:
        """Stream as LlamaIndex does: iterate ``.response_gen``."""
        stream = self.stream(message, chat_history)
        # Our stream writes the history itself (with the checked answer), so LlamaIndex must not.
        return StreamingAgentChatResponse(
            chat_stream=(_delta(piece) for piece in stream.tokens()),
            source_nodes=stream.source_nodes,
            is_writing_to_memory=False,
        )

    @trace_method("chat")
    async def astream_chat(
        self, message: str, chat_history: list[ChatMessage] | None = None
    ) -> StreamingAgentChatResponse:
        """Stream as LlamaIndex does, without blocking: iterate ``.async_response_gen()``."""
        stream = await self.astream(message, chat_history)

        async def pieces() -> AsyncIterator[ChatResponse]:
            async for piece in stream.atokens():
                yield _delta(piece)

        return StreamingAgentChatResponse(
            achat_stream=cast(Any, pieces()), source_nodes=stream.source_nodes, is_writing_to_memory=False
        )

    async def _condense(
        self, message: str, chat_history: list[ChatMessage] | None, way: Way
    ) -> tuple[str | None, str | None]:
        """Return the question to search, and a note if the follow-up could not be condensed."""
        must_be(str, "the message", message, "pass a text")
        if chat_history is not None:
            self._memory.set(chat_history)
        history = self._memory.get()
        if not history:
            return None, None
        settings, language = self.engine.settings.llm, detect_language(message)
        before = next((m.content or "" for m in reversed(history) if m.role == MessageRole.USER), "")
        if not self.engine.steps.has_llm or language not in settings.languages:
            # Without a model that reads the language, searching with the previous question keeps the topic.
            both = joined(before, message)
            return both, None if both is None else Bilingual(
                f"no LLM can condense this follow-up, so {TOGETHER}", f"没有语言模型改写这个追问，{TOGETHER_ZH}"
            )
        try:
            llm = cast(LLM, await way.compute(lambda: self.engine.llm))
            reply = await way.chat(llm, condense_messages(history, message, language))
        except Exception as error:  # noqa: BLE001 - whatever the LLM raised: the question is searched as asked
            why = explain_llm_error(error, settings)
            return None, Bilingual(
                f"the follow-up was searched as asked because {why}", f"追问没有改写，按原样检索，原因：{why}"
            )
        condensed = (reply.message.content or "").strip().strip('"“”')
        if condensed in ("", message.strip()) and (both := joined(before, message)) is not None:
            return both, Bilingual(
                f"the model did not rewrite this follow-up, so {TOGETHER}", f"语言模型没有改写这个追问，{TOGETHER_ZH}"
            )
        return condensed or None, None

    def _remember(self, message: str, note: str | None, response: Response) -> AgentChatResponse:
        if note and response.metadata is not None:
            note = text_in(note, response.metadata["trace"].get("language", ""))
            response.metadata["notes"] = [*response.metadata["notes"], note]
            response.metadata["note_kinds"] = [*response.metadata["note_kinds"], "follow_up"]
            for key in ("notes", "note_kinds"):
                response.metadata["trace"][key] = response.metadata[key]
        self._memory.put(ChatMessage(role=MessageRole.USER, content=message))
        self._memory.put(ChatMessage(role=MessageRole.ASSISTANT, content=str(response.response)))
        return AgentChatResponse(
            response=str(response.response), source_nodes=response.source_nodes, metadata=response.metadata
        )


def _delta(piece: str) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=piece), delta=piece)
