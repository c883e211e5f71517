"""The chat engine: follow-ups are condensed, the history is kept, streams end in the memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from indexes import Index
from rag import Settings, build_chat_engine
from rag.answer.prompt.follow_up import stands_alone


def test_a_follow_up_is_condensed_and_searched(index: Index, settings: Settings, scripted: Any) -> None:
    llm = scripted("Cut in 1887 [1].", "Who cut the lens of the lamp?", "The Barbier workshop cut it [1].")
    chat = build_chat_engine(index, settings=settings, llm=llm)
    chat.chat("When was the lens cut?")
    response = chat.chat("And who did it?")
    assert response.metadata["trace"]["searched"] == "Who cut the lens of the lamp?"
    assert "When was the lens cut?" in llm.prompts[1]
    assert [message.role.value for message in chat.chat_history] == ["user", "assistant", "user", "assistant"]
    chat.reset()
    assert chat.chat_history == []


def test_without_an_llm_the_question_before_is_searched_too(index: Index, settings: Settings) -> None:
    silent = settings.model_copy(update={"llm": settings.llm.model_copy(update={"provider": "none"})})
    chat = build_chat_engine(index, settings=silent)
    chat.chat("When was the lens cut?")
    response = chat.chat("By which workshop?")
    assert "Barbier" in response.response
    assert any("follow-up" in note for note in response.metadata["notes"])


def test_a_question_that_stands_alone_is_searched_alone(index: Index, settings: Settings) -> None:
    silent = settings.model_copy(update={"llm": settings.llm.model_copy(update={"provider": "none"})})
    chat = build_chat_engine(index, settings=silent)
    chat.chat("When was the lens cut?")
    response = chat.chat("灯塔看守人每天什么时候点灯？")
    assert response.metadata["trace"]["searched"] == "灯塔看守人每天什么时候点灯？"
    assert "follow_up" not in response.metadata["note_kinds"]


def test_a_model_that_repeats_a_follow_up_is_not_taken_at_its_word(
    index: Index, settings: Settings, scripted: Any
) -> None:
    llm = scripted("Cut in 1887 [1].", "And by whom?", "The Barbier workshop cut it [1].")
    chat = build_chat_engine(index, settings=settings, llm=llm)
    chat.chat("When was the lens cut?")
    response = chat.chat("And by whom?")
    assert response.metadata["trace"]["searched"] == "When was the lens cut? And by whom?"
    assert "follow_up" in response.metadata["note_kinds"]


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        ("How long is the notice period?", True),
        ("How long is it in the trial period?", False),
        ("And the fee for children under six?", False),
        ("Why?", False),
        ("工作满十年的员工有几天年假？", True),
        ("那试用期的员工有几天年假？", False),
        ("有效期多久？", False),
    ],
)
def test_what_points_back_does_not_stand_alone(question: str, alone: bool) -> None:
    assert stands_alone(question) is alone


def test_a_failed_condensing_is_noted(index: Index, settings: Settings, scripted: Any) -> None:
    llm = scripted("Cut in 1887 [1].", ConnectionError("gone"), "By the Barbier workshop [1].")
    chat = build_chat_engine(index, settings=settings, llm=llm)
    chat.chat("When was the lens cut?")
    response = chat.chat("Which workshop cut the lens?")
    assert any("searched as asked" in note for note in response.metadata["notes"])


def test_streams_are_remembered(index: Index, settings: Settings, scripted: Any) -> None:
    chat = build_chat_engine(index, settings=settings, llm=scripted("Cut in 1887 [1]."))
    response = chat.stream_chat("When was the lens cut?")
    assert "".join(response.response_gen) == "Cut in 1887 [1]."
    assert chat.chat_history[-1].content == "Cut in 1887 [1]."


def test_async(index: Index, settings: Settings, scripted: Any) -> None:
    async def talk() -> str:
        chat = build_chat_engine(
            index,
            settings=settings,
            llm=scripted("Cut in 1887 [1].", "lens", "The lens was cut in 1887 by the Barbier workshop [1]."),
        )
        await chat.achat("When was the lens cut?")
        response = await chat.astream_chat("Once more?")
        return "".join([piece async for piece in response.async_response_gen()])

    assert asyncio.run(talk()) == "The lens was cut in 1887 by the Barbier workshop [1]."
