"""The sentences of an answer, without marks, headings and code."""

from __future__ import annotations

from rag.answer.check.lines import sentence_places


def test_sentence_places() -> None:
    text = "# Head\n1. One is. Two is.\n- 三是。四是！\n```\ncode.\n```\n2.\n"
    assert [text[a:b] for a, b in sentence_places(text)] == ["One is.", "Two is.", "三是。", "四是！"]
