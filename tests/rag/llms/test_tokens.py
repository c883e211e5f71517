"""Token counts for the prompt's budget: exact in process, never badly under for servers."""

from __future__ import annotations

import inspect

import pytest

from indexes.text import characters
from indexes.text.characters import estimate_tokens
from rag.llms import failures, llama_cpp
from rag.llms.llama_cpp import LlamaCpp
from rag.llms.tokens import token_counter
from rag.settings import LLMSettings

ENGLISH = (
    "The lighthouse was built in 1868 from granite that came by boat. Its lamp burned rapeseed oil, later paraffin, "
    "and since 1957 electricity. Visitors (no more than twelve at a time) may climb the 214 steps on weekdays; "
    "children under eight need a grown-up's hand. Misunderstandings about opening hours are regrettably common."
)


def test_exact_in_process(smollm2: LlamaCpp) -> None:
    count = token_counter(smollm2, LLMSettings(provider="llama_cpp", model="smollm2"))
    assert count("") == 0
    assert count("Hello world") == 2
    assert count("<|im_start|>") > 1, "text of a document is never a control token"


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH,
        inspect.getsource(failures),
        inspect.getsource(llama_cpp),
        inspect.getsource(characters),
        "| a | b |\n|---|---|\n| 1.25 | 3,000 |\n" * 5,
        "Der Straßenbahnführer öffnete müden Fahrgästen die Tür, während es draußen regnete.",
        "🙂🚀 ∞ ≠ ☂",
    ],
)
def test_the_estimate_is_above_the_truth_but_not_far(smollm2: LlamaCpp, text: str) -> None:
    truth, estimate = smollm2.count_tokens(text), estimate_tokens(text)
    assert truth <= estimate
    assert estimate <= 1.7 * truth + 20


def test_chinese_counts_by_character() -> None:
    text = "灯塔的看守人每天傍晚六点登上楼梯。"
    assert len(text) <= estimate_tokens(text) <= 1.2 * len(text)


def test_chinese_is_dear_for_models_that_read_none(smollm2: LlamaCpp) -> None:
    text = "灯塔的看守人每天傍晚六点登上楼梯，街角的面包店在日出之前就卖热面包。"
    count = token_counter(object(), LLMSettings(languages=("en",)))
    assert smollm2.count_tokens(text) <= count(text)
    assert token_counter(object(), LLMSettings())(text) < count(text)


def test_empty() -> None:
    assert estimate_tokens("") == 0
