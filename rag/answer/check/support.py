"""What a passage says about a claim: its words, numbers, names and negations, sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from indexes.nodes.record import SentenceRecord
from rag.answer.check.orders import without_orders
from rag.answer.check.placing import Placed, misplaced
from rag.answer.language import Language, detect_language
from rag.answer.words.alignment import renamed
from rag.answer.words.clauses import is_year
from rag.answer.words.counts import miscounted
from rag.answer.words.opposites import exclusive
from rag.answer.words.polarity import clauses_of, denies
from rag.answer.words.terms import Evidence, Term, share_held, terms_of
from rag.answer.words.units import CURRENCIES
from rag.retrieval.candidate import Passage

NEIGHBOURHOOD = 3  # consecutive sentences that may together support one sentence of the answer
MISSING_NAME_FACTOR = 0.5  # a name that is not in the passage makes the rest of the overlap suspect
ALONE = 0.6  # a sentence that holds this share of what its neighbourhood holds must hold the numbers itself
NEARLY = 0.2  # a sentence whose share of the words lies this little below the best one's may say the same
SAME_CLAUSE = 0.5  # share of a clause's terms from which another clause is about the same
_RULE = re.compile(r"\s*\|?\s*:?-{2,}")


@dataclass
class Unit:
    """One sentence, or one row of a table with its header.

    >>> unit = Unit(SentenceRecord("harbour.md", 0, "The harbour opens at 6."), "The harbour opens at 6.")
    >>> unit.language, [unit.evidence.holds(term) for term in terms_of("harbour fees")]
    ('en', [1.0, 0.0])
    """

    record: SentenceRecord
    text: str

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.text)

    @cached_property
    def language(self) -> Language:
        return detect_language(self.text)


@dataclass(slots=True)
class Claim:
    """A sentence of an answer, prepared for checking.

    >>> claim = Claim("Anna Berg pays 150 euros.", terms_of("Anna Berg pays 150 euros."))
    >>> [term.key for term in claim.names], [term.key for term in claim.numbers]
    (['berg'], ['150'])
    >>> Claim("Yes.", [], question="Is the harbour open?", yes=True).stated
    'Is the harbour open?'

    Args:
        text: the sentence without marks.
        terms: its words, names and numbers.
        context: the question's terms if the claim says little by itself ("150", "Anna Berg", "Yes"), else empty.
        question: the question.
        yes: True or False for a bare yes or no, else None.
        question_terms: the question's terms if the claim begins with a yes or no and goes on ("No, because ...").
    """

    text: str
    terms: list[Term]
    context: list[Term] = field(default_factory=list)
    question: str = ""
    yes: bool | None = None
    question_terms: list[Term] = field(default_factory=list)

    @property
    def words(self) -> list[Term]:
        return [term for term in self.terms if term.kind != "number"]

    @property
    def names(self) -> list[Term]:
        return [term for term in self.terms if term.kind == "name"]

    @property
    def numbers(self) -> list[Term]:
        return [term for term in self.terms if term.strict]

    @property
    def stated(self) -> str:
        """The statement that is claimed: for a bare yes or no the question."""
        return self.text if self.yes is None else self.question


@dataclass(slots=True)
class Finding:
    """What one passage says of a claim.

    >>> record = SentenceRecord("harbour.md", 0, "The harbour opens at 6.")
    >>> claim = Claim("It opens at 7.", terms_of("It opens at 7."))
    >>> finding = PassageSupport(Passage(1, [record], [], 0.9)).find(claim)
    >>> [term.key for term in finding.missing_numbers], finding.has_number
    (['7'], True)

    Args:
        number: the passage's number.
        unit: the sentence that says most of the claim.
        share: share of the claim's terms (with its context) that neighbouring sentences hold, 0 to 1.
        words: share of its words, without names and numbers, that this sentence holds, 0 to 1.
        missing_numbers, missing_names: those that this sentence (or its neighbourhood) should hold and does not.
        has_number: whether the sentence holds another number in the place of a missing one.
        negated: whether the sentence says the contrary.
        rival: a word of the claim whose opposite the sentence holds, or a name that replaces another.
        context: share of the claim's context that the sentence holds; 1 if it needs none.
        first_missing: whether the passage does not hold the claim's first word at all.
        misplaced: whether a number or a name of the claim belongs to something else in the sentence.
        other_year: whether a bare value stands beside another year than the question's.
    """

    number: int
    unit: Unit
    share: float
    words: float
    missing_numbers: list[Term]
    missing_names: list[Term]
    has_number: bool
    negated: bool
    rival: str | None
    context: float = 1.0
    first_missing: bool = False
    misplaced: Placed | None = None
    other_year: bool = False


class PassageSupport:
    """A passage's sentences and table rows, prepared for matching.

    >>> support = PassageSupport(Passage(1, [SentenceRecord("x.md", 0, "The harbour opens at 6.")], [], 0.9))
    >>> support.support(terms_of("It opens at 6.")), support.support(terms_of("It opens at 9."))
    (1.0, 0.0)
    """

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        records = [record for record in passage.sentences if record.kind != "heading"] or passage.sentences
        evidence = without_orders(records)
        self.units = [unit for record in evidence for unit in _units(record)] or [Unit(records[0], "")]
        # Heading and file name hold the context that a sentence leaves out ("It is 6333").
        titles = [record.text for record in passage.sentences if record.kind == "heading"]
        self.place = Evidence(" . ".join(filter(None, (passage.heading, passage.source.rsplit("/", 1)[-1], *titles))))

    @property
    def language(self) -> Language:
        return detect_language(" ".join(unit.text for unit in self.units[:4]))

    def holds(self, term: Term) -> bool:
        """Return whether the passage, its heading or its file name holds the term."""
        return any(unit.evidence.holds(term) for unit in self.units) or bool(self.place.holds(term))

    def find(self, claim: Claim) -> Finding:
        """Find the sentence that says most of the claim, and what it lacks."""
        words = claim.words
        alone = [share_held(words, [unit.evidence, self.place]) for unit in self.units]
        about = [share_held(claim.context, [unit.evidence, self.place]) for unit in self.units]
        near = [
            share_held(words, [*(other.evidence for other in self._around(place)), self.place])
            for place in range(len(self.units))
        ]
        numbers = [share_held(claim.numbers, [unit.evidence]) for unit in self.units]
        # If a claim says little by itself, the question decides which sentence must support it.
        weight = 1.0 if claim.context else 0.0
        hits = set(self.passage.hits)
        # A bare value stands where it is said, if that sentence is nearly as much about the question as any: "Kim led"
        # after one that names Ada Kim.
        most = max(about)
        said = [numbers[i] if claim.context and about[i] >= most - NEARLY else 0.0 for i in range(len(self.units))]
        order = sorted(
            range(len(self.units)),
            key=lambda i: (
                -round(said[i], 2),
                -round(alone[i] + weight * about[i], 2),
                -round(numbers[i], 2),
                -round(near[i], 2),
                self.units[i].record.id not in hits,
                i,
            ),
        )
        place = order[0]
        swapped = misplaced(claim, self.units[place], self.place) if self._whole(claim, place) else None
        if swapped:  # another sentence may say it all the same
            for other in order[1:]:
                if alone[other] < alone[place] - NEARLY or about[other] < about[place] - NEARLY:
                    continue
                if self._whole(claim, other) and not misplaced(claim, self.units[other], self.place):
                    place, swapped = other, None
                    break
        unit = self.units[place]
        around = [other.evidence for other in self._around(place)]
        where = [unit.evidence] if alone[place] >= ALONE * near[place] or claim.context else around
        if place + 1 < len(self.units) and all(term.kind == "number" for term in terms_of(self.units[place + 1].text)):
            where = [*where, self.units[place + 1].evidence]  # "Release date." and, as the next sentence, a bare date
        missing_numbers = [n for n in claim.numbers if not any(e.holds(n) for e in where)]
        wrong_counts = miscounted(claim.stated, unit.text) if claim.yes is not False else []
        missing_numbers += [Term(one.value, "number", 1.0, number=one) for one in wrong_counts if not one.strict]
        beside = [*around, self.place]
        missing_names = [n for n in claim.names if not any(e.holds(n) for e in beside)]
        if not claim.context:  # first those that the whole passage lacks
            missing_names.sort(key=self.holds)
        share = share_held(claim.terms, beside)
        return Finding(
            self.passage.number,
            unit,
            share,
            alone[place],
            missing_numbers,
            missing_names,
            bool(wrong_counts) or _has_rival_number(unit, missing_numbers, claim),
            _negated(claim, unit.text),
            exclusive(claim.stated, unit.text) or (renamed(claim.stated, unit.text) if unit.language == "zh" else None),
            about[place] if claim.context else 1.0,
            bool(words) and not self.holds(words[0]),
            swapped,
            _of_another_year(claim, [unit.evidence, self.place]),
        )

    def _whole(self, claim: Claim, place: int) -> bool:
        """Return whether a sentence holds all numbers of the claim, and the passage's place or it all names."""
        evidence = self.units[place].evidence
        return all(evidence.holds(term) for term in claim.numbers) and all(
            evidence.holds(term) or self.place.holds(term) for term in claim.names
        )

    def _around(self, place: int) -> list[Unit]:
        """Return the sentence and its neighbours; a table's row has none."""
        if self.units[place].record.kind == "table":
            return [self.units[place]]
        reach = NEIGHBOURHOOD - 1
        return [
            unit
            for unit in self.units[max(0, place - reach) : place + reach + 1]
            if unit.record.kind != "table" or unit is self.units[place]
        ]

    def support(self, terms: Sequence[Term]) -> float:
        """Return the largest share of ``terms`` that neighbouring sentences hold; 0.0 if a strict number is missing."""
        if not terms or not self.states(terms):
            return 0.0
        best = self.share(terms)
        known = all(self.holds(term) for term in terms if term.kind == "name")
        return best if known else best * MISSING_NAME_FACTOR

    def states(self, terms: Sequence[Term]) -> bool:
        """Return whether the passage holds every strict number of ``terms``."""
        return all(any(unit.evidence.holds(term) for unit in self.units) for term in terms if term.strict)

    def share(self, terms: Sequence[Term]) -> float:
        """Return the largest share of ``terms`` that neighbouring sentences hold, 0 to 1."""
        evidence = [unit.evidence for unit in self.units]
        spans = range(max(1, len(evidence) - NEIGHBOURHOOD + 1))
        return max(share_held(terms, [*evidence[i : i + NEIGHBOURHOOD], self.place]) for i in spans)

    def best_sentence(self, terms: Sequence[Term]) -> SentenceRecord:
        """Return the sentence that holds most of ``terms``; on a tie a hit, then the first."""
        hits = set(self.passage.hits)
        shares = [share_held(terms, [unit.evidence]) for unit in self.units]
        order = sorted(
            range(len(self.units)),
            key=lambda i: (-round(shares[i], 6), self.units[i].record.id not in hits, i),
        )
        return self.units[order[0]].record


def _units(record: SentenceRecord) -> list[Unit]:
    if record.kind != "table":
        return [Unit(record, record.text)]
    rows = record.text.splitlines()
    rule = next((i for i, row in enumerate(rows[:4]) if _RULE.match(row)), None)
    if rule is None:
        return [Unit(record, row) for row in rows if row.strip()]
    head = " ".join(rows[:rule])
    return [Unit(record, f"{head}\n{row}") for row in rows[rule + 1 :] if row.strip()] or [Unit(record, record.text)]


def _has_rival_number(unit: Unit, missing: Sequence[Term], claim: Claim) -> bool:
    """Return whether the sentence holds another number in the place of a missing one: of its unit, or without a unit.

    Only a year stands in the place of a year, and no number that the claim or its question states itself.
    """
    wanted = [term.number for term in missing if term.number]
    if not wanted:
        return False
    kinds = {number.unit for number in wanted}
    if kinds & CURRENCIES:
        kinds |= CURRENCIES
    years = all(map(is_year, wanted))
    stated = [term.number for term in (*claim.terms, *terms_of(claim.question)) if term.number]
    return any(
        number.strict
        and (is_year(number) if years else number.unit in kinds or not number.unit or kinds == {""})
        and not any(number.same(own) for own in stated)
        for number in unit.evidence.numbers
    )


def _of_another_year(claim: Claim, where: Sequence[Evidence]) -> bool:
    """Return whether a question that names a year is answered by a bare value from a sentence with another one."""
    asked = [term.number for term in claim.context if term.number and is_year(term.number)]
    years = [number for evidence in where for number in evidence.numbers if is_year(number)]
    return bool(asked and years) and not any(own.same(year) for own in asked for year in years)


def _negated(claim: Claim, sentence: str) -> bool:
    """Return whether a clause of the sentence denies what a clause of the claim about the same matter affirms."""
    if claim.context and claim.yes is None and denies(claim.question):
        return False  # "what may not be sold?": a bare value says nothing of its own
    theirs = [(denies(clause), Evidence(clause)) for clause in clauses_of(sentence) or [sentence]]
    for clause in clauses_of(claim.stated) or [claim.stated]:
        terms = terms_of(clause) if claim.yes is None else claim.context
        said = denies(clause) != (claim.yes is False)
        if claim.context and claim.yes is None:
            terms = [*terms, *claim.context]
        if not terms:
            continue
        shares = [share_held(terms, [evidence]) for _, evidence in theirs]
        best = max(shares)
        alike = {denied for (denied, _), share in zip(theirs, shares, strict=True) if share >= best - 1e-6}
        if best >= SAME_CLAUSE or len(theirs) == 1:
            if said not in alike:
                return True
        elif len(clauses_of(claim.stated)) == 1 and denies(sentence) != said:
            return True
    return False
