"""The walk of a question: how often it enters the retriever's module, and how often the room hands it to the store."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from indexes import Index
from rag import Settings, build_retriever
from rag.retrieval import searching

HERE = str(Path(searching.__file__))
ROOM = str(Path(searching.__file__).parent)
STORE = str(Path("indexes", "store"))
INNER = ("<listcomp>", "<genexpr>", "<dictcomp>", "<lambda>")  # parts of a function, not calls of one


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["minmax", "rrf", "dense"])
def test_a_question_enters_twice_and_is_handed_to_the_store_once(index: Index, settings: Settings, fusion: Any) -> None:
    retriever = build_retriever(index, settings=settings, rerank=False, fusion=fusion)
    retriever.search("When is the lamp lit?")
    entered: list[str] = []
    handed: list[str] = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        code, before = frame.f_code, frame.f_back
        if event != "call" or before is None or code.co_name in INNER:
            return
        if code.co_filename == HERE:
            entered.append(code.co_name)
        elif ROOM in before.f_code.co_filename and STORE in code.co_filename:
            handed.append(code.co_name)

    sys.setprofile(note)
    try:
        found = retriever.search("When is the lamp lit?")
    finally:
        sys.setprofile(None)
    assert entered == ["search", "search_by"]
    assert handed == ["hybrid_search"]
    assert "lamp" in (found.candidates[0].window or "")  # fetched now
