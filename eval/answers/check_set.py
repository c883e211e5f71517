"""Measure the check of answers on sentences that rules derive from true ones, each with its expected status.

A question's passages are five documents of the corpus. Each fact gives a true sentence (as written and reworded), one
with another number, one with another entity of the same kind, one negated, one that cites the wrong passage, and one
from a document that is not among the passages. Sentences of two clauses give more: true ones of either clause or both,
and clauses with the number of the other. The labels follow from the rules alone. Across languages, the passages are in
the other language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.answers.check_clauses import clauses
from eval.answers.check_corpus import Fact, facts
from eval.ticks import Tick, ticking
from indexes.errors import SourceError
from indexes.nodes.record import SentenceRecord
from rag.answer.check.citations import cite
from rag.answer.check.meaning import Meaning
from rag.retrieval.candidate import Passage

MUST: dict[str, str] = {
    "true": "cited",
    "reworded": "cited",
    "wrong number": "contradicted",
    "wrong entity": "contradicted",
    "negated": "contradicted",
    "wrong passage": "moved",
    "unsupported": "unsupported",
    "joined clauses": "cited",
    "number of another clause": "contradicted",
}
ONE_LANGUAGE = ("reworded", "joined clauses", "number of another clause")  # classes without passages in the other one
PASSAGES = 5
_NEGATE_EN = ((" must ", " must not "), (" may ", " may not "), (" can ", " cannot "), (" was ", " was not "),
              (" were ", " were not "),              (" is ", " is not "), (" are ", " are not "))  # fmt: skip
_NEGATE_ZH = (
    ("必须", "不必"),
    ("可以", "不得"),
    ("能", "不能"),
    ("应", "不应"),
    ("由", "不由"),
    ("是", "不是"),
    ("有", "没有"),
)
_DIGITS = re.compile(r"\d[\d,.:]*\d|\d")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer sentence, its passages, and its class, which decides the expected status.

    >>> one = next(row for row in labelled("en") if row.label == "wrong number")
    >>> one.text, MUST[one.label]
    ('The lighthouse was designed by Marta Olsen in 3874.', 'contradicted')
    """

    text: str
    label: str
    passages: tuple[int, ...]
    cited: int
    language: str


@dataclass(slots=True)
class CheckScores:
    """How often the sentences of each class got the expected status.

    Args:
        part: "held out" or "tuned on": whether the check was tuned on these documents.
        rows: (class, expected status, number of sentences, precision, recall).
        confusion: class -> status -> number of sentences.
        decided_by: class -> rule that decided -> number of sentences.
        wrong: sentences that got another status.
    """

    name: str
    part: str = "tuned on"
    sentences: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    decided_by: dict[str, dict[str, int]] = field(default_factory=dict)
    wrong: list[dict[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain data for JSON."""
        return {
            "set": self.name,
            "part": self.part,
            "sentences": self.sentences,
            "classes": self.rows,
            "confusion": self.confusion,
            "decided_by": self.decided_by,
            "wrong": self.wrong,
        }


def labelled(language: str, *, held_out: bool = False, latin: bool = False) -> list[Labelled]:
    """Return the answer sentences of one language, in a fixed order: seven for each fact, four for two clauses.

    >>> [(row.label, row.text) for row in labelled("en")][2]
    ('wrong number', 'The lighthouse was designed by Marta Olsen in 3874.')
    """
    known = facts(language, held_out=held_out, latin=latin)
    documents = sorted({fact.document for fact in known})
    found = []
    for place, fact in enumerate(known):
        others = [documents[(fact.document + step) % len(documents)] for step in range(1, PASSAGES)]
        given = [*others[: place % PASSAGES], fact.document, *others[place % PASSAGES :]]
        cited = given.index(fact.document) + 1
        wrong = cited % PASSAGES + 1
        without = tuple(documents[(fact.document + step) % len(documents)] for step in range(1, PASSAGES + 1))
        rows = (
            ("true", fact.text, tuple(given), cited),
            ("reworded", fact.reworded, tuple(given), cited),
            ("wrong number", other_number(fact.text, fact, place), tuple(given), cited),
            ("wrong entity", _other_entity(fact, known, place), tuple(given), cited),
            ("negated", negated(fact.text, language), tuple(given), cited),
            ("wrong passage", fact.text, tuple(given), wrong),
            ("unsupported", fact.text, without, wrong),
        )
        found += [Labelled(text, label, passages, number, language) for label, text, passages, number in rows]
    for place, pair in enumerate(clauses(language, held_out=held_out)):
        first = place % len(documents)
        given = [*(documents[(first + step) % len(documents)] for step in range(1, PASSAGES)), -1 - place]
        made = [("joined clauses", text) for text in pair.joined]
        made += [("number of another clause", text) for text in pair.swapped]
        found += [Labelled(text, label, tuple(given), PASSAGES, language) for label, text in made]
    return found


def other_number(text: str, fact: Fact, place: int) -> str:
    """Return the sentence with another number, written in the same way; ``place`` chooses which.

    >>> from eval.answers.check_corpus import facts
    >>> leave = facts("en")[3]
    >>> other_number(leave.text, leave, 3)
    'Requests for leave must be approved by Ingrid Vale within 1 days.'
    """
    digits = _DIGITS.search(fact.number)
    if digits is None:
        raise SourceError(f"the number {fact.number!r} has no digit", remedy="write it in digits")
    old = digits.group()
    first = str((int(old[0]) + 1 + place % 7) % 9 + 1)
    if first == old[0]:
        first = str(int(first) % 9 + 1)
    new = first + old[1:] if len(old) > 1 or first != "0" else old
    return text.replace(fact.number, fact.number.replace(old, new, 1), 1)


def _other_entity(fact: Fact, known: Sequence[Fact], place: int) -> str:
    """Return the sentence with another entity of the same kind; for half of the places it is from the passages."""
    same = [other.entity for other in known if other.kind == fact.kind and other.entity != fact.entity]
    near = place // 3
    return fact.text.replace(fact.entity, same[(near if place % 2 else near + 6) % len(same)], 1)


def negated(text: str, language: str) -> str:
    """Return the sentence with its first verb that the rules know negated.

    Raises:
        SourceError: the sentence has no such verb.

    >>> negated("Visitors must register.", "en")
    'Visitors must not register.'
    """
    for says, denies in _NEGATE_EN if language == "en" else _NEGATE_ZH:
        if says in text:
            return text.replace(says, denies, 1)
    raise SourceError(f"no rule can negate {text!r}", remedy="give the sentence a verb that the rules know")


def passages_of(
    documents: Sequence[int], language: str, *, held_out: bool = False, latin: bool = False
) -> list[Passage]:
    """Return the documents as numbered passages of three sentences each; document -1 is the first of two clauses.

    >>> [passage] = passages_of([0], "en")
    >>> passage.number, passage.sentences[0].text
    (1, 'The lighthouse was designed by Marta Olsen in 1874.')
    """
    known = facts(language, held_out=held_out, latin=latin)
    pairs = clauses(language, held_out=held_out)
    found = []
    for number, document in enumerate(documents, start=1):
        texts = [one.text for one in known if one.document == document] if document >= 0 else []
        if document < 0:
            texts = [pairs[-1 - document].text, pairs[-document % len(pairs)].text]
        records = [
            SentenceRecord(doc_id=f"{document}", position=place, text=text, metadata={"source": f"{document}.md"})
            for place, text in enumerate(texts)
        ]
        found.append(Passage(number, records, [records[0].id], 1.0 / number))
    return found


def measure_check(
    language: str,
    *,
    across: bool = False,
    held_out: bool = False,
    meaning: Meaning | None = None,
    progress: Tick | None = None,
) -> CheckScores:
    """Check each labelled sentence of ``language``.

    Args:
        across: whether the passages are in the other language; the classes of ``ONE_LANGUAGE`` are then left out.
        held_out: whether to use the documents on which the check was not tuned.
        meaning: model that compares sentences by meaning; None checks by words alone.
    """
    other = {"en": "zh", "zh": "en"}[language] if across else language
    latin = across and not held_out  # the documents for tuning name different people in each language
    rows = labelled(language, held_out=held_out, latin=latin)
    if across:
        rows = [row for row in rows if row.label not in ONE_LANGUAGE]
    results = []
    scores = CheckScores(
        f"{language} over {other}" if across else language, "held out" if held_out else "tuned on", len(rows)
    )
    for row in ticking(rows, progress):
        passages = passages_of(row.passages, other, held_out=held_out, latin=latin)
        answer = cite(f"{row.text} [{row.cited}]", passages, meaning=meaning)
        status = answer.sentences[0].status if answer.sentences else "none"
        by = answer.sentences[0].decided_by if answer.sentences else "none"
        results.append((row, status, by))
    for label in dict.fromkeys(row.label for row in rows):
        got = [(status, by) for row, status, by in results if row.label == label]
        wanted = MUST[label]
        right = sum(status == wanted for status, _ in got)
        # Precision: of the sentences that got this status, those of a class that should.
        claimed = [row for row, status, _ in results if status == wanted]
        foreign = sum(MUST[row.label] != wanted for row in claimed)
        scores.rows.append(
            {
                "class": label,
                "status": wanted,
                "sentences": len(got),
                "precision": right / (right + foreign) if right + foreign else 0.0,
                "recall": right / len(got),
            }
        )
        scores.confusion[label] = dict(Counter(status for status, _ in got))
        scores.decided_by[label] = dict(Counter(by for _, by in got))
    scores.wrong = [
        {"class": row.label, "status": status, "decided_by": by, "text": row.text}
        for row, status, by in results
        if status != MUST[row.label]
    ]
    return scores
