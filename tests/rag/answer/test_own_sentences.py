"""The documents' own sentences are an answer where they are about the question, or where a model found one in them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rag.answer import notes
from rag.answer.check.meaning import Meaning
from rag.answer.own_sentences import OwnSentences
from rag.answer.writing import PreparedAnswer
from rag.retrieval.candidate import Passage
from rag.trace import Trace


class FewSentences:
    """A collection too small to show what is near."""

    def count(self) -> int:
        return 2

    def sample(self, _: int) -> tuple[list[dict[str, Any]], Any]:
        return [{"text": "The bakery opens at seven."}, {"text": "It needs no server."}], np.zeros((2, 4), np.float32)

    def windows(self, *_: Any) -> dict[str, Any]:
        return {}


@pytest.fixture
def own() -> OwnSentences:
    return OwnSentences(SimpleNamespace(store=FewSentences()), Meaning(None), most=1)


def prepared(question: str, passages: list[Passage]) -> PreparedAnswer:
    english = [passages[0], passages[2]]
    return PreparedAnswer(question, "en", Trace(question, searched=question, language="en"), english)


def test_the_best_sentence_is_the_answer(own: OwnSentences, guide: list[Passage]) -> None:
    asked = prepared("When does the bakery in Lyon open?", guide)
    cited = own.write(asked, rejected=False)
    assert cited is not None and cited.text == "The bakery in Lyon opens at seven o'clock. [3]"
    assert asked.trace.notes == []


@pytest.mark.parametrize("question", ["Which planet has the most moons?", "hello"])
def test_what_is_not_about_the_question_is_no_answer_and_says_so(
    own: OwnSentences, guide: list[Passage], question: str
) -> None:
    asked = prepared(question, guide)
    assert own.write(asked, rejected=False) is None
    assert asked.trace.notes == [notes.NOT_ABOUT] and asked.trace.note_kinds == ["not_found"]


def test_what_a_model_found_an_answer_in_is_about_the_question(own: OwnSentences, guide: list[Passage]) -> None:
    asked = prepared("Which planet has the most moons?", guide)
    assert own.write(asked, rejected=True) is not None and asked.trace.notes == []
