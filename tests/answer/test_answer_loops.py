"""Loops of small models are noticed and cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answer.lines import cut_loops, is_looping, sentence_places


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is here. It is here. It is here. It is here.", "It is here."),
        ("First. It is here [1]. It is here [1]. It is here [2]. It", "First. It is here [1]."),
        ("It is here. [1] It is here. [1]\n\nIt is here. [1]\n\n4", "It is here. [1]"),
        ("1. It is a cup.\n2. It is a cup.\n3. It is a cup.\n4. It is a", "1. It is a cup."),
        ("A b. C d. A b. C d. A b. C d. A", "A b. C d."),
        ("在这里。在这里。在这里。在这", "在这里。"),
        ("Yes it is. Yes it is. Yes it is. Then it ends well.", "Yes it is. Then it ends well."),
        ("The answer is:\n\nThe answer is:\n\nThe answer is:\n\nThe", "The answer is:"),
        ("A a. A a. A a. B b. B b. B b.", "A a. B b."),
        ("It is here. It is here.", "It is here. It is here."),
        ("One thing. Another thing. One thing.", "One thing. Another thing. One thing."),
        ("```\nx\nx\nx\nx\n```", "```\nx\nx\nx\nx\n```"),
        ("", ""),
    ],
)
def test_cutting(text: str, expected: str) -> None:
    assert cut_loops(text) == expected


def test_noticing() -> None:
    text = "Start. It is here. It is here. It is here."
    assert is_looping(text)
    assert not is_looping(text[:-12])
    assert is_looping("A b. C d. A b. C d. A b. C d.")
    assert not is_looping("")


def test_sentence_places() -> None:
    text = "# Head\n1. One is. Two is.\n- 三是。四是！\n```\ncode.\n```\n2.\n"
    assert [text[a:b] for a, b in sentence_places(text)] == ["One is.", "Two is.", "三是。", "四是！"]


@given(st.lists(st.sampled_from(("It is. ", "We go. ", "在。", "\n- ", "and ", "Stop! ")), max_size=20).map("".join))
def test_laws(text: str) -> None:
    cut = cut_loops(text)
    assert len(cut) <= len(text)
    if not any(is_looping(text[:i]) for i in range(len(text) + 1)):
        assert cut == text


@given(st.sampled_from(("It is here. ", "We go. They stay. ", "在这里。")), st.integers(3, 9))
def test_a_loop_is_noticed_and_leaves_one_round(block: str, rounds: int) -> None:
    assert is_looping(block * rounds)
    assert cut_loops("Begin now. " + block * rounds).strip() == "Begin now. " + block.strip()
