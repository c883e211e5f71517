"""Thinking never reaches a reader: every form, whole and in pieces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    TextBlock,
    ThinkingBlock,
)
from llama_index.core.llms import CustomLLM

from rag.llms import build_llm
from rag.llms.guard import GuardedLLM, guarded
from rag.llms.thinking import SpeechStream, spoken_chat, without_thinking
from rag.settings import LLMSettings
from tests.rag.llms.fake_llm_servers import FakeOpenAI

ANSWER = "The ferry costs 4 euros. [2]"
FORMS = {
    "think": "<think>\nThe user asks for the ferry. Passage [1] is about trains.\n</think>\n\n" + ANSWER,
    "empty": "<think>\n\n</think>\n\n" + ANSWER,
    "thinking": "<thinking>See [1].</thinking>" + ANSWER,
    "upper": "<THINK>See [1].</THINK>" + ANSWER,
    "attribute": '<think type="deep">See [1].</think >' + ANSWER,
    "reasoning": "<reasoning>See [1].</reasoning>\n" + ANSWER,
    "thought": "<thought>See [1].</thought>" + ANSWER,
    "mixed": "<thinking>See [1].</think>" + ANSWER,
    "lone": "The user asks for the ferry. Passage [1] is about trains.\n</think>\n\n" + ANSWER,
    "lone thinking": "Ferries, not trains: passage [1] is wrong.</thinking>" + ANSWER,
    "lone upper": "用户问的是渡船。</THINK>\n" + ANSWER,
    "twice": "<think>a</think><think>b</think>" + ANSWER,
    "nested": "<think>a <think>b</think> c</think>" + ANSWER,
    "opened twice": "<think>\n<think>b</think>" + ANSWER,
    "magistral": "[THINK]See [1].[/THINK]" + ANSWER,
    "kimi": "◁think▷See [1].◁/think▷" + ANSWER,
    "begin of thought": "<|begin_of_thought|>See [1].<|end_of_thought|>" + ANSWER,
    "channels": "<|channel|>analysis<|message|>See [1].<|end|><|start|>assistant<|channel|>final<|message|>"
    + ANSWER
    + "<|return|>",
    "three channels": "<|channel|>analysis<|message|>See [1].<|end|><|start|>assistant<|channel|>commentary<|message|>"
    "I shall answer.<|end|><|start|>assistant<|channel|>final <|constrain|>text<|message|>" + ANSWER,
    "chinese": "<思考>用户问船票，看段落[1]。</思考>" + ANSWER,
    "folded": '<details type="reasoning" done="true">\n<summary>Thought</summary>\n> See [1].\n</details>\n' + ANSWER,
    "labelled": "Here is my thought process: see [1].\n\nHere is my response: " + ANSWER,
    "bold labels": "**Thinking:** the user asks, see [1].\n\n**Answer:** " + ANSWER,
    "enclosed": "<think>See [1].</think>\n<answer>\n" + ANSWER + "\n</answer>",
    "solution": "<|begin_of_thought|>See [1].<|end_of_thought|>\n<|begin_of_solution|>\n"
    + ANSWER
    + "<|end_of_solution|>",
    "tokens left": "<|startoftext|><think>See [1].</think>" + ANSWER + "<|im_end|>",
    "bare channels": "analysisThe user asks for the ferry.assistantfinal" + ANSWER,
}
CUT = (
    "<think>The user wants the price. I keep thinking",
    "<Thinking>The user wants",
    "<|channel|>analysis<|message|>The user wants",
    "<|channel|>anal",
    "analysisThe user wants",
    "[THINK]The user wants",
    "◁think▷The user",
)
PLAIN = (
    ANSWER,
    "Write `<think>` and `</think>` around it. [1]",
    "```\n<think>\n```\nThat is the tag.",
    "It holds if a < b and b > c. [1]",
    "Analysis of the harbour: 3 boats.",
    "I think 3 < 5.",
    "Okay, it is 4 euros. [2]",
)


def streamed(text: str, size: int, model: str = "") -> str:
    """What a reader has at the end, who starts again where the text does."""
    stream, shown = SpeechStream(model), ""
    for place in range(0, len(text), size):
        now = stream.feed(text[place : place + size])
        shown = now if not now.startswith(shown) else shown + now[len(shown) :]
    last = stream.finish()
    return last if not last.startswith(shown) else shown + last[len(shown) :]


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_every_form_is_taken_out(text: str) -> None:
    assert without_thinking(text).strip() == ANSWER
    for size in (1, 3, 7, 1000):
        assert streamed(text, size).strip() == ANSWER


@pytest.mark.parametrize("text", CUT)
def test_cut_thinking_is_no_answer(text: str) -> None:
    assert without_thinking(text) == ""
    assert streamed(text, 1) == ""


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_stays(text: str) -> None:
    assert without_thinking(text) == text
    assert streamed(text, 1) == text


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_no_thought_is_ever_shown_where_it_can_be_known(text: str) -> None:
    for model in ("", "qwq-32b") if text != FORMS["lone thinking"] else ("deepseek-r1:7b",):
        stream = SpeechStream(model)
        for char in text:
            assert ANSWER.startswith(stream.feed(char).strip())


def test_plain_text_is_not_held_back() -> None:
    stream = SpeechStream("some-model")
    first = "The ferry of the harbour costs "
    assert [stream.feed(piece) for piece in ("The ", first[4:], "4 <", "b> ")] == [
        "",
        first,
        first + "4 ",
        first + "4 <b> ",
    ]


def test_a_thinking_block_is_no_part_of_the_message() -> None:
    message = ChatMessage(
        role="assistant",
        blocks=[ThinkingBlock(content="Hm."), TextBlock(text=ANSWER)],
        additional_kwargs={"reasoning_content": "Hm."},
    )
    said = spoken_chat(ChatResponse(message=message)).message
    assert said.content == ANSWER
    assert "Hm." not in said.model_dump_json()


class FakeThinker(CustomLLM):
    """Thinks before every answer."""

    text: str = FORMS["lone"]

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="mine")

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self.text)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return (CompletionResponse(text=self.text[: i + 1], delta=self.text[i]) for i in range(len(self.text)))


def test_a_users_own_llm_is_filtered_on_every_way_out() -> None:
    llm = guarded(FakeThinker())
    assert guarded(llm) is llm
    assert isinstance(llm, GuardedLLM)
    messages = [ChatMessage(role="user", content="How much is the ferry?")]

    async def later() -> list[str | None]:
        streamed = [piece async for piece in await llm.astream_chat(messages)]
        return [
            (await llm.achat(messages)).message.content,
            (await llm.acomplete("x")).text,
            streamed[-1].message.content,
            [piece async for piece in await llm.astream_complete("x")][-1].text,
        ]

    said = [
        llm.chat(messages).message.content,
        llm.complete("x").text,
        list(llm.stream_chat(messages))[-1].message.content,
        list(llm.stream_complete("x"))[-1].text,
        *asyncio.run(later()),
    ]
    assert said == [ANSWER] * 8


def test_a_servers_llm_is_filtered(openai: FakeOpenAI) -> None:
    openai.PIECES = tuple(FORMS["think"][i : i + 2] for i in range(0, len(FORMS["think"]), 2))  # type: ignore[assignment]
    llm = build_llm(LLMSettings(provider="openai", model="m", base_url=openai.url + "/v1"))
    assert llm is not None
    messages = [ChatMessage(role="user", content="How much is the ferry?")]
    assert llm.chat(messages).message.content == ANSWER
    pieces = list(llm.stream_chat(messages))
    assert "".join(piece.delta or "" for piece in pieces) == pieces[-1].message.content == ANSWER
