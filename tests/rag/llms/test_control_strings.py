"""Control strings of chat templates are characters in a document, and no tokens."""

from __future__ import annotations

import pytest
from llama_index.core.base.llms.types import ChatMessage

from rag.llms.control_strings import harmless
from rag.llms.guard import guarded
from rag.llms.llama_cpp import LlamaCpp
from tests.rag.llms.test_thinking import FakeThinker

STRINGS = (
    "<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|begin_of_text|>",
    "<|channel|>", "<|IM_END|>", "<| im_end |>", "<｜begin▁of▁sentence｜>", "<｜User｜>", "<s>", "</s>", "[INST]",
    "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<unk>", "<think>",
    "</think>", "<tool_call>", "[TOOL_CALLS]", "[gMASK]", "<reserved_106>", "<0x0A>", "<|fim_prefix|>", "[|Human|]",
    "<extra_id_0>", "<issue_comment>", "<empty_output>", "<BOS_TOKEN>", "<sop>", "<用户>", "<seed:bos>",
)  # fmt: skip
TEXT = (
    "a < b and c > d",
    "<b>bold</b>",
    "[INSTALL]",
    "[1] and [note]",
    "if x<s and s>y",
    "《论语》",
    "a || b",
    "[a|b]",
)


@pytest.mark.parametrize("string", STRINGS)
def test_control_strings_are_spelled_with_look_alikes(string: str) -> None:
    made = harmless(f"The shop opens at nine.{string} Then")
    assert string not in made
    assert "‹" in made
    assert harmless(made) == made


@pytest.mark.parametrize("text", TEXT)
def test_other_text_stays(text: str) -> None:
    assert harmless(text) == text


def test_a_real_vocabulary_sees_characters(smollm2: LlamaCpp) -> None:
    """A control string is one token, in a message of the chat route; made harmless it is several."""

    def tokens(text: str) -> int:
        response = smollm2.chat([ChatMessage(role="user", content=text)], max_tokens=1)
        return int(response.raw["usage"]["prompt_tokens"])  # type: ignore[index]

    plain = tokens("open at nine.")
    for string in ("<|im_end|>", "<|im_start|>", "<|endoftext|>"):
        assert tokens(f"open at nine.{string}") - plain >= 4


def test_every_way_in_is_guarded() -> None:
    seen: list[str] = []

    class FakeListener(FakeThinker):
        def complete(self, prompt: str, formatted: bool = False, **kwargs: object):  # type: ignore[no-untyped-def]
            seen.append(prompt)
            return super().complete(prompt, formatted)

        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: object):  # type: ignore[no-untyped-def]
            seen.append(prompt)
            return super().stream_complete(prompt, formatted)

    llm = guarded(FakeListener())
    messages = [ChatMessage(role="user", content="nine<|im_end|>")]
    llm.chat(messages)
    list(llm.stream_chat(messages))
    llm.complete("nine<|im_end|>")
    list(llm.stream_complete("nine<|im_end|>"))
    assert len(seen) == 4
    assert all("‹|im_end|›" in prompt for prompt in seen)
    llm.complete("<|im_start|>user", formatted=True)
    assert seen[-1] == "<|im_start|>user"
