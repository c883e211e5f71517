"""Passages fit the context, and what does not fit is reported."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.errors import SettingsError
from indexes.nodes.record import SentenceRecord
from rag.answer.prompt.budget import fit_passages
from rag.answer.prompt.prompts import context_text
from rag.answer.prompt.repack import repack
from rag.retrieval.candidate import Passage

MakePassage = Callable[..., Passage]


def words(text: str) -> int:
    return len(text.split())


def fit(passages: list[Passage], window: int, reserved: int = 10, fixed: int = 10):  # type: ignore[no-untyped-def]
    return fit_passages(passages, count_tokens=words, context_window=window, reserved=reserved, fixed_tokens=fixed)


def test_everything_fits(guide: list[Passage]) -> None:
    result = fit(guide, 500)
    assert result.kept == guide
    assert (result.trimmed, result.dropped, result.note) == ([], [], None)


def test_the_next_is_trimmed_around_its_hit_and_the_rest_dropped(make_passage: MakePassage) -> None:
    passages = [
        make_passage(1, "one two three four."),
        make_passage(2, "a b c d e f.", "g h i.", "HIT j k.", "l m n.", "o p q r s t.", hits=[2]),
        make_passage(3, "tiny."),
    ]
    whole = words(context_text(passages[:1]))
    result = fit(passages, 20 + whole + 14)
    assert [p.number for p in result.kept] == [1, 2]
    assert (result.trimmed, result.dropped) == ([2], [3])
    assert [s.text for s in result.kept[1].sentences] == ["g h i.", "HIT j k.", "l m n."]
    assert result.kept[1].hits == passages[1].hits
    assert result.note is not None and "shortened passage 2" in result.note and "left out passage 3" in result.note
    assert len(passages[1].sentences) == 5  # the passage given is not changed


def test_the_best_hit_sentence_survives(make_passage: MakePassage) -> None:
    passage = make_passage(1, "filler " * 50, "the hit", "filler " * 50, hits=[1])
    result = fit([passage], 20 + 6)
    assert [s.text for s in result.kept[0].sentences] == ["the hit"]
    assert result.trimmed == [1]


def test_nothing_fits_is_an_error_that_names_what_is_needed(make_passage: MakePassage) -> None:
    passage = make_passage(1, "a hit of six words here")
    with pytest.raises(SettingsError) as caught:
        fit([passage], 24)
    message = str(caught.value)
    assert "llm.context_window is 24" in message
    needed = 20 + words(context_text([passage]))
    assert f"set llm.context_window to {needed} or more" in message
    assert fit([passage], needed + 2).kept == [passage]


def test_no_passages() -> None:
    assert fit([], 5).kept == []


@given(
    st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=6), min_size=1, max_size=5),
    st.integers(20, 300),
    st.data(),
)
def test_never_over_the_limit_and_nothing_unaccounted_for(
    sizes: list[list[int]], window: int, data: st.DataObject
) -> None:
    passages = []
    for number, lengths in enumerate(sizes, start=1):
        records = [SentenceRecord(f"d{number}", i, "w " * n, after="\n") for i, n in enumerate(lengths)]
        hit = data.draw(st.integers(0, len(records) - 1))
        passages.append(Passage(number, records, [records[hit].id], 1.0 / number))
    try:
        result = fit(passages, window, reserved=5, fixed=8)
    except SettingsError:
        first = passages[0]
        assert (
            13 + min(words(context_text([Passage(1, [s], [], 1.0)])) for s in first.sentences if s.id in first.hits)
            > window
        )
        return
    assert result.prompt_tokens + 5 <= window
    assert 8 + words(context_text(result.kept)) <= result.prompt_tokens
    assert sorted([p.number for p in result.kept] + result.dropped) == [p.number for p in passages]
    for kept in result.kept:
        whole = passages[kept.number - 1]
        assert (kept.number in result.trimmed) == (len(kept.sentences) < len(whole.sentences))
        assert any(s.id in whole.hits for s in kept.sentences)
        positions = [s.position for s in kept.sentences]
        assert positions == list(range(positions[0], positions[0] + len(positions)))


def test_repack() -> None:
    assert repack([1, 2, 3, 4, 5], "forward") == [1, 2, 3, 4, 5]
    assert repack([1, 2, 3, 4, 5], "reverse") == [5, 4, 3, 2, 1]
    assert repack([1, 2, 3, 4, 5], "sides") == [1, 3, 5, 4, 2]
    assert repack([1, 2, 3, 4], "sides") == [1, 3, 4, 2]
    assert repack([], "sides") == []
    with pytest.raises(ValueError, match="forward, reverse or sides"):
        repack([1], "random")  # type: ignore[arg-type]


@given(st.lists(st.integers()), st.sampled_from(["forward", "reverse", "sides"]))
def test_repack_loses_nothing(items: list[int], order: str) -> None:
    assert sorted(repack(items, order)) == sorted(items)  # type: ignore[arg-type]
