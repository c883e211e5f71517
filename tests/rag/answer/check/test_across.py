"""Answers over passages in the other language, and what the encoder or the reranker is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from indexes.encoders.base import Encoded
from indexes.nodes.record import SentenceRecord
from rag.answer.check.citations import cite
from rag.answer.check.meaning import Meaning
from rag.retrieval.candidate import Passage


def passage(number: int, *sentences: str) -> Passage:
    records = [
        SentenceRecord(doc_id=str(number), position=place, text=text, metadata={"source": f"{number}.md"})
        for place, text in enumerate(sentences)
    ]
    return Passage(number, records, [records[0].id], 1.0)


class Near:
    """An encoder that reads both languages: sentences of one matter are near (pairs of words that mean the same)."""

    SAME = (("mill", "磨坊"), ("harvest", "收获"), ("taxi", "出租车"))

    def nearness(self, claim: str, sentences: Sequence[str], *, across: bool) -> list[float] | None:
        said = [theirs for mine, theirs in self.SAME if mine in claim.lower()]
        return [0.9 if any(word in sentence for word in said) else 0.1 for sentence in sentences]


PASSAGES = [
    passage(1, "磨坊是陈建国在1870年建造的。", "磨坊每年磨粮食300吨。"),
    passage(2, "收获从不在星期日进行。"),
]


@pytest.mark.parametrize(
    ("answer", "status", "by"),
    [
        ("The mill was built by Chen Jianguo in 1870. [1]", "cited", "encoder"),
        ("The mill was built by Chen Jianguo in 1890. [1]", "contradicted", "numbers"),
        ("The mill was built by Sun Dali in 1870. [1]", "contradicted", "names"),
        ("The mill was not built by Chen Jianguo in 1870. [1]", "contradicted", "negation"),
        ("The mill was built by Chen Jianguo in 1870. [2]", "moved", "encoder"),
        ("The harvest is never on a Sunday. [2]", "cited", "encoder"),
        ("The chapel was painted blue. [1]", "unsupported", "encoder"),
    ],
)
def test_across_languages_numbers_names_and_negations_are_compared(answer: str, status: str, by: str) -> None:
    found = cite(answer, PASSAGES, meaning=Near()).sentences[0]
    assert (found.status, found.decided_by) == (status, by)


class OneLanguage(Near):
    def nearness(self, claim: str, sentences: Sequence[str], *, across: bool) -> list[float] | None:
        return None if across else super().nearness(claim, sentences, across=across)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("The mill was built by Chen Jianguo in 1870. [1]", "unverified"),  # it cannot be told: never certified
        ("The mill was built by Chen Jianguo in 1890. [1]", "contradicted"),
        ("The mill grinds 4,711 tonnes. [1]", "contradicted"),
        ("The chapel was painted blue. [1]", "unverified"),
    ],
)
def test_an_encoder_of_one_language_certifies_nothing(answer: str, status: str) -> None:
    for meaning in (OneLanguage(), None):
        found = cite(answer, PASSAGES, meaning=meaning).sentences[0]
        expected = "unsupported" if "4,711" in answer else status
        assert found.status == expected


def test_a_bare_number_is_of_the_questions_language() -> None:
    page = [passage(1, "磨坊每年磨粮食300吨。")]
    assert cite("300 [1]", page, question="磨坊每年磨多少吨粮食？").sentences[0].status == "cited"
    assert cite("310 [1]", page, question="磨坊每年磨多少吨粮食？").sentences[0].status == "contradicted"


REASONS = [
    (
        "Is a taxi to a nearby office paid?",
        "No, because nearby trips do not count.",
        "A taxi is paid where the office lies more than ten kilometres away.",
    ),
    ("去附近的办公室可以报销出租车费吗？", "不可以，因为路程太近。", "办公室在十公里以外时，出租车费可以报销。"),
]


@pytest.mark.parametrize(("question", "answer", "page"), REASONS)
def test_a_no_with_a_reason_in_other_words_stays_unverified(question: str, answer: str, page: str) -> None:
    found = cite(answer, [passage(1, page)], question=question).sentences[0]
    assert (found.status, found.failed) == ("unverified", False)
    elsewhere = cite(
        answer, [passage(1, "The canteen is closed." if page.isascii() else "食堂关闭。")], question=question
    )
    assert elsewhere.sentences[0].failed


class FakeReranker:
    """One of ours, as the check sees it: a probability for each sentence."""

    def __init__(self, probability: float) -> None:
        self.probability, self.asked = probability, 0

    def score(self, claim: str, sentences: list[str]) -> Any:
        self.asked += 1
        return type("Scores", (), {"probability": [self.probability] * len(sentences)})()


@pytest.mark.parametrize(("probability", "status"), [(0.95, "unverified"), (0.02, "unsupported")])
def test_a_loaded_reranker_compares_what_words_cannot(probability: float, status: str) -> None:
    reranker = FakeReranker(probability)
    meaning = Meaning(encoder=None, reranker=reranker)
    found = cite(
        "Whoever travels briefly pays alone. [1]", [passage(1, "Short rides are not refunded.")], meaning=meaning
    )
    assert (found.sentences[0].status, found.sentences[0].decided_by) == (status, "encoder")
    assert reranker.asked == 1


def test_the_scale_is_fitted_once_an_encoder() -> None:
    """A server makes an engine for each question; twenty sentences are not encoded anew for each of them."""
    calls = []

    class Counted:
        def encode_documents(self, texts: Sequence[str]) -> Encoded:
            calls.append(len(texts))
            return Encoded(np.eye(16, dtype=np.float32)[[len(text) % 16 for text in texts]])

    encoder = Counted()
    for _ in range(3):
        Meaning(encoder).nearness("The lake is deep.", ["Das Tal ist weit."], across=False)
    assert calls == [10, 10, 2, 2, 2]
