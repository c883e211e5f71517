"""Further questions beside the one asked: a translation, other wordings, the first hits' vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from indexes import Index
from indexes.ingest.node_counts import KEY
from indexes.nodes.record import SentenceRecord
from rag import Settings, build_query_engine, build_retriever
from rag.answer.prompt.prompts import questions_in
from rag.retrieval.candidate import Candidate
from rag.retrieval.wider import fed_back, holds_other_language, joined

LENS = "When was the lens of the lamp cut?"


def candidate(position: int, score: float) -> Candidate:
    return Candidate(SentenceRecord("d", position, f"sentence {position}"), score=score, fused_score=score)


def test_joined_is_the_mean_of_the_scores_and_ties_have_one_order() -> None:
    a, b, c = candidate(0, 0.9), candidate(1, 0.4), candidate(2, 0.7)
    found = joined([[a, b], [c, replace(b, score=0.8)]])
    assert [(f.record.position, round(f.score, 3)) for f in found] == [(1, 0.6), (0, 0.45), (2, 0.35)]
    ties = joined([[candidate(0, 0.5)], [candidate(1, 0.5)]])
    assert [f.id for f in ties] == sorted(f.id for f in ties)


@pytest.mark.slow
def test_a_translated_question_is_searched_too(index: Index, settings: Settings, scripted: Any) -> None:
    llm = scripted("When is tea picked in spring?")
    result = build_retriever(index, settings=settings, llm=llm, translate="auto").search("春茶什么时候开始采摘？")
    assert result.trace.rewritten == ["When is tea picked in spring?"]
    assert "Translate" in llm.prompts[0] and "rewrite" in result.trace.timings_ms
    assert result.candidates[0].record.text == "春茶在清明前开始采摘。"
    llm = scripted("灯的透镜是哪一年切割的？")
    result = build_retriever(index, settings=settings, llm=llm, translate="auto").search(LENS)
    assert "翻译成中文" in llm.prompts[0] and result.trace.rewritten == ["灯的透镜是哪一年切割的？"]
    alone = build_retriever(index, settings=settings).search(LENS)
    assert {c.id for c in result.candidates} >= {c.id for c in alone.candidates}
    assert "1887" in result.candidates[0].record.text


@pytest.mark.slow
def test_hyde_keeps_what_the_translated_question_found(index: Index, settings: Settings, scripted: Any) -> None:
    weak = settings.hyde.model_copy(update={"mode": "auto", "weak_below": 0.999})
    wider = settings.retrieval.model_copy(update={"translate": "auto", "top_k": 2})
    changed = settings.model_copy(update={"hyde": weak, "retrieval": wider})
    question = "春茶什么时候开始采摘？"
    llm = scripted(LENS, "一段假想的文字。")
    result = build_retriever(index, settings=changed, llm=llm, hyde="auto").search(question)
    assert result.trace.rewritten == [LENS] and result.trace.hypothetical == ["一段假想的文字。"]
    assert any("1887" in candidate.record.text for candidate in result.candidates)


@pytest.mark.slow
def test_a_collection_in_one_language_asks_for_no_translation(
    index: Index, settings: Settings, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = index.store.record()[KEY]
    record = {**index.store.record(), KEY: {**counts, "chinese": 0}}
    monkeypatch.setattr(type(index.store), "record", lambda self: record)
    assert not holds_other_language(index.store, LENS) and holds_other_language(index.store, "灯在哪里？")
    llm = scripted("unused")
    result = build_retriever(index, settings=settings, llm=llm, translate="auto").search(LENS)
    assert (llm.prompts, result.trace.rewritten, result.trace.notes) == ([], [], [])


@pytest.mark.slow
def test_phrasings_are_asked_for_once_and_searched(index: Index, settings: Settings, scripted: Any) -> None:
    llm = scripted("1. In which year was the lamp's lens made?\n2) Who cut the lens?\n3. Once more?")
    result = build_retriever(index, settings=settings, llm=llm, phrasings=2).search(LENS)
    assert result.trace.rewritten == ["In which year was the lamp's lens made?", "Who cut the lens?"]
    assert len(llm.prompts) == 1 and "1887" in result.candidates[0].record.text


@pytest.mark.slow
@pytest.mark.parametrize(("reply", "said"), [(ConnectionError("x"), "without other"), ("", "nothing new")])
def test_what_the_model_does_not_give_is_noted(
    index: Index, settings: Settings, scripted: Any, reply: Any, said: str
) -> None:
    result = build_retriever(index, settings=settings, llm=scripted(reply), phrasings=2).search(LENS)
    assert result.trace.note_kinds == ["rewriting_failed"] and said in result.trace.notes[0]
    assert "1887" in result.candidates[0].record.text


@pytest.mark.slow
def test_without_a_model_the_engine_says_what_is_missing(index: Index, settings: Settings) -> None:
    wanted = settings.retrieval.model_copy(update={"translate": "auto", "phrasings": 1})
    bare = settings.model_copy(
        update={"retrieval": wanted, "llm": settings.llm.model_copy(update={"provider": "none"})}
    )
    notes = build_query_engine(index, settings=bare).query(LENS).metadata["notes"]
    assert any("without the translated question" in note for note in notes)
    assert any("without other phrasings" in note for note in notes)


@pytest.mark.slow
def test_feedback_moves_the_question_towards_its_first_hits(index: Index, settings: Settings) -> None:
    plain = build_retriever(index, settings=settings).search(LENS)
    retrieval = settings.retrieval.model_copy(update={"feedback": 2, "feedback_share": 0.5})
    vectors = index.store.dense_vectors([c.id for c in plain.candidates[:2]])
    mean = np.mean([v / np.linalg.norm(v) for v in vectors.values()], axis=0)
    wanted = plain.dense + 0.5 * mean
    moved = fed_back(index.store, plain.dense, plain.candidates, retrieval)
    assert moved is not None
    np.testing.assert_allclose(moved, wanted / np.linalg.norm(wanted), atol=1e-6)
    found = build_retriever(index, settings=settings.model_copy(update={"retrieval": retrieval})).search(LENS)
    of = {c.id: c.dense_score for c in found.candidates}
    assert all((of[c.id] or 0) > (c.dense_score or 0) for c in plain.candidates[:2])
    assert fed_back(index.store, plain.dense, [], retrieval) is None


def test_questions_of_a_reply() -> None:
    assert questions_in("<think>hm</think>\n1、灯在哪里？\n• “何时点灯？”\n", 3) == ["灯在哪里？", "何时点灯？"]
    assert questions_in("1887 is when?\n3.5 litres of what?", 2) == ["1887 is when?", "3.5 litres of what?"]
