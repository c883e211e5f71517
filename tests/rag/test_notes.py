"""Notes beside an answer are in the question's language."""

from __future__ import annotations

import ast
import copy
import pickle
from collections.abc import Iterator

import pytest

from indexes.display import Bilingual, text_in
from rag.answer.check.citations import AnswerSentence, CitedAnswer
from rag.answer.check.notes import notes_of
from rag.trace import Trace
from tests import ROOT


def test_a_note_is_in_the_language_of_the_question() -> None:
    note = Bilingual("no LLM is configured", "没有配置语言模型")
    for language, expected in (
        ("zh", "没有配置语言模型"),
        ("en", "no LLM is configured"),
        ("", "no LLM is configured"),
    ):
        trace = Trace("?", language=language)
        trace.note(note, "no_llm")
        trace.note(note, "no_llm")
        assert trace.notes == [expected] and type(trace.notes[0]) is str and trace.note_kinds == ["no_llm"]


def test_both_languages_survive_copies() -> None:
    note = Bilingual("nothing", "没有")
    for again in (copy.copy(note), copy.deepcopy(note), pickle.loads(pickle.dumps(note))):
        assert text_in(again, "zh") == "没有" and again == "nothing"


@pytest.mark.parametrize("status", ["moved", "contradicted", "unsupported", "unverified"])
def test_the_notes_of_the_check(status: str) -> None:
    sentence = AnswerSentence("Boats are blue.", (2,), status, 0.0, 0, 15)  # type: ignore[arg-type]
    (note,) = notes_of(CitedAnswer("Boats are blue.", sentences=[sentence]))
    assert "Boats are blue." in note and "Boats are blue." in note.zh and any(char >= "一" for char in note.zh)


def noted() -> Iterator[str]:
    """Yield the places where a trace gets a note that is written in English only."""
    for path in sorted((ROOT / "rag").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "note"):
                continue
            if "trace" in ast.unparse(node.func.value) and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_no_note_of_a_trace_is_english_only() -> None:
    assert not list(noted())
