"""Does a passage support a sentence? By the share of the sentence's terms that it holds, numbers and names first."""

from __future__ import annotations

from collections.abc import Sequence

from indexes.nodes.record import SentenceRecord
from rag.answer.check.terms import Evidence, Term, share_held
from rag.retrieval.candidate import Passage

NEIGHBOURHOOD = 3  # sentences in a row that may together support one sentence of the answer
MISSING_NAME_FACTOR = 0.5  # a name that the passage does not know makes the rest of the overlap suspect


class PassageSupport:
    """A passage's sentences prepared for matching."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self.records = [record for record in passage.sentences if record.kind != "heading"] or passage.sentences
        self.evidence = [Evidence(record.text) for record in self.records]
        # Heading and file name give the context that a sentence itself leaves out ("It is 6333").
        self.place = Evidence(" ".join(filter(None, (passage.heading, passage.source))))

    def support(self, terms: Sequence[Term]) -> float:
        """Best share of ``terms`` held by neighbouring sentences; 0.0 where a strict number is missing."""
        if not terms:
            return 0.0
        if any(term.strict and not any(one.holds(term) for one in self.evidence) for term in terms):
            return 0.0
        spans = range(max(1, len(self.evidence) - NEIGHBOURHOOD + 1))
        best = max(share_held(terms, [*self.evidence[i : i + NEIGHBOURHOOD], self.place]) for i in spans)
        names = [term for term in terms if term.kind == "name"]
        known = all(any(one.holds(name) for one in (*self.evidence, self.place)) for name in names)
        return best if known else best * MISSING_NAME_FACTOR

    def best_sentence(self, terms: Sequence[Term]) -> SentenceRecord:
        """The sentence that holds most of ``terms``; among equals a hit, then the first."""
        hits = set(self.passage.hits)
        shares = [share_held(terms, [one]) for one in self.evidence]
        order = sorted(
            range(len(self.records)), key=lambda i: (-round(shares[i], 6), self.records[i].id not in hits, i)
        )
        return self.records[order[0]]
