"""Do the passages speak of what is asked? By the share of the question's terms in their best sentence.

A share means the same for every encoder. A term counts by how rare it is among the passages: one that stands in every
sentence tells nothing. Where the question and the passages are in different languages, the encoder is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rag.answer.check.meaning import FAR
from rag.answer.check.outcome import Nearness
from rag.answer.check.support import NEIGHBOURHOOD, PassageSupport
from rag.answer.language import Language
from rag.answer.words.terms import Evidence, Term, terms_of
from rag.retrieval.candidate import Passage

FLOOR = 0.34  # share of the question's terms: below it the passages speak of something else
OVERRULE = 0.6  # share at which a question that a model calls small talk is one about the documents
NEAREST = 3  # passages shown with "not in these documents"


def confidence(question: str, passages: Sequence[Passage]) -> float:
    """Weighted share of the question's terms that the best sentence and its neighbours hold, 0 to 1."""
    asked = terms_of(question)
    if not asked or not passages:
        return 0.0
    supports = [PassageSupport(passage) for passage in passages]
    units = [(support, place) for support in supports for place in range(len(support.units))]
    frequency = [sum(bool(s.units[i].evidence.holds(term)) for s, i in units) for term in asked]
    weights = [term.weight * _idf(count, len(units)) for term, count in zip(asked, frequency, strict=True)]
    best = 0.0
    for support, place in units:
        around = [unit.evidence for unit in support.units[max(0, place - 1) : place + NEIGHBOURHOOD - 1]]
        best = max(best, _share(asked, weights, [*around, support.place]))
    return best


def speaks_enough(
    question: str, passages: Sequence[Passage], language: Language, meaning: Nearness | None = None
) -> bool:
    """May the passages' own sentences be given as an answer?"""
    if not passages:
        return False
    supports = [PassageSupport(passage) for passage in passages]
    if confidence(question, passages) >= FLOOR:
        return True
    across = [support for support in supports if support.language != language]
    if across and meaning is not None:
        for support in across[:3]:
            near = meaning.nearness(question, [unit.text for unit in support.units], across=True)
            if near is not None and max(near) >= FAR:
                return True
    return False


def speaks_of(question: str, passages: Sequence[Passage]) -> bool:
    """Do the question's words stand in the passages, so that a verdict "needs no documents" is wrong?"""
    return confidence(question, passages) >= OVERRULE


def nearest(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """The best passages for a reader who got no answer: number, source, heading, page and their hit sentence."""
    found = []
    for passage in passages[:NEAREST]:
        hit = next((record for record in passage.sentences if record.id in passage.hits), passage.sentences[0])
        found.append(
            {
                "number": passage.number,
                "source": passage.source,
                "heading": passage.heading,
                "page": passage.page,
                "text": hit.text,
            }
        )
    return found


def _share(asked: Sequence[Term], weights: Sequence[float], evidence: Sequence[Evidence]) -> float:
    total = sum(weights)
    held = sum(weight * max(one.holds(term) for one in evidence) for term, weight in zip(asked, weights, strict=True))
    return held / total if total else 0.0


def _idf(frequency: int, count: int) -> float:
    return math.log(1 + (count - frequency + 0.5) / (frequency + 0.5))
