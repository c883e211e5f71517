"""Answers that loop end where the loop begins; answers that do not are left alone."""

from __future__ import annotations

import pytest

from rag.answer.check.repetition import RepetitionGuard, cut_repetition
from rag.ways import in_step

LOOP = "The lamp is lit before sunset. It turns once in twelve seconds. " * 4


def test_a_loop_is_cut_where_it_begins() -> None:
    assert cut_repetition(LOOP) == ("The lamp is lit before sunset. It turns once in twelve seconds.", True)


def test_almost_the_same_sentence_counts() -> None:
    text = (
        "You can do this by downloading the server from its own web site today. "
        "You can do this by downloading the server from its own web site now. More."
    )
    assert cut_repetition(text)[1] is True


def test_chinese_loops_too() -> None:
    text, cut = cut_repetition("春茶在清明前开始采摘。只采一芽一叶。春茶在清明前开始采摘。只采一芽一叶。")
    assert (text, cut) == ("春茶在清明前开始采摘。只采一芽一叶。", True)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("It is here. It is here. It is here. It is", "It is here."),
        ("First.\n\nThe answer is:\n\nThe answer is:\n\nThe answer is:\n\nThe", "First.\n\nThe answer is:"),
        ("在这里。在这里。在这里。在这", "在这里。"),
    ],
)
def test_a_short_sentence_thrice_in_a_row_is_a_loop(text: str, kept: str) -> None:
    assert cut_repetition(text) == (kept, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes. Yes.",
        "1. Open the lid of the left tank. 2. Open the lid of the right tank. 3. Close both lids.",
        "The first boat comes on Tuesday [1]. The second boat comes on Friday [2].",
    ],
)
def test_what_does_not_loop_is_left_alone(text: str) -> None:
    assert cut_repetition(text) == (text, False)


def test_it_stops_reading_the_stream() -> None:
    read = []

    async def stream():  # type: ignore[no-untyped-def]
        for word in LOOP.split(" "):
            read.append(word)
            yield word + " "

    guard = RepetitionGuard()
    shown = "".join(in_step(guard.pieces(stream())))
    assert guard.cut
    assert len(read) < len(LOOP.split(" "))
    assert shown.startswith(guard.text)
