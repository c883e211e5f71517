"""Confidence: the weighted share of a question's terms that the passages' best sentence holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rag.answer.check.support import NEIGHBOURHOOD, PassageSupport
from rag.answer.words.terms import Evidence, Term, terms_of
from rag.retrieval.candidate import Passage

OVERRULE = 0.6  # share from which a question is about the documents although a model calls it small talk
NEAREST = 3  # passages shown with "not in these documents"


def share_of(question: str, passages: Sequence[Passage], rarity: Callable[[Sequence[Term]], Sequence[float]]) -> float:
    """Return the weighted share of the question's terms that the best sentence and its neighbours hold, 0 to 1.

    Args:
        rarity: returns a weight per term by how rare it is; it is multiplied with the term's own weight.

    >>> from indexes.nodes.record import SentenceRecord
    >>> passage = Passage(1, [SentenceRecord("x.md", 0, "The harbour opens at 6.")], [], 0.9)
    >>> share_of("When does the harbour open?", [passage], lambda terms: [1.0] * len(terms))
    1.0
    """
    terms = terms_of(question)
    if not terms or not passages:
        return 0.0
    weights = [term.weight * rare for term, rare in zip(terms, rarity(terms), strict=True)]
    best = 0.0
    for support in map(PassageSupport, passages):
        for place in range(len(support.units)):
            around = [unit.evidence for unit in support.units[max(0, place - 1) : place + NEIGHBOURHOOD - 1]]
            best = max(best, _share(terms, weights, [*around, support.place]))
    return best


def nearest(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """Return the best passages for a reader who got no answer: number, source, heading, page and hit sentence.

    >>> from indexes.nodes.record import SentenceRecord
    >>> nearest([Passage(1, [SentenceRecord("harbour.md", 0, "It opens at 6.")], [], 0.9)])
    [{'number': 1, 'source': 'harbour.md', 'heading': None, 'page': None, 'text': 'It opens at 6.'}]
    """
    found = []
    for passage in passages[:NEAREST]:
        there = {record.id: record for record in passage.sentences}
        hit = next((there[one] for one in passage.hits if one in there), passage.sentences[0])  # hits: best first
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


def _share(terms: Sequence[Term], weights: Sequence[float], evidence: Sequence[Evidence]) -> float:
    total = sum(weights)
    held = sum(weight * max(one.holds(term) for one in evidence) for term, weight in zip(terms, weights, strict=True))
    return held / total if total else 0.0
