"""Decide about a claim whose passages are in the other language.

Numbers and dates are compared by value, names by spelling and sound, negations by each language's words. Whether both
sentences are about the same matter is left to the encoder; a monolingual encoder cannot tell, and then no claim is
confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.answer.check.meaning import FAR, NEAR
from rag.answer.check.outcome import ClaimVerdict, Nearness
from rag.answer.check.support import Claim, PassageSupport, Unit
from rag.answer.words.names_across import Names, compare_names
from rag.answer.words.polarity import clauses_of, denies

NUMBERS_WEIGHT = 0.35  # on the encoder's scale: a sentence with the claim's numbers is more likely its source
NAMES_WEIGHT = 0.25
ELSEWHERE = 0.3  # a citation is moved if another passage is nearer than the cited one by this


@dataclass(frozen=True, slots=True)
class Crossed:
    """One sentence of a passage compared with the claim.

    >>> from indexes.nodes.record import SentenceRecord
    >>> unit = Unit(SentenceRecord("museum.md", 0, "博物馆星期一闭馆。"), "博物馆星期一闭馆。")
    >>> Crossed(1, unit, near=0.8, numbers=None, names="none", denied=False).bears_out
    True
    >>> Crossed(1, unit, near=0.8, numbers=None, names="none", denied=True).bears_out
    False

    Args:
        number: number of the passage.
        unit: the sentence.
        near: nearness on the encoder's scale (see ``meaning``); None if the encoder knows only one language.
        numbers: share of the claim's numbers that the sentence holds; None if the claim has none.
        names: see ``compare_names``.
        denied: whether one affirms what the other denies.
    """

    number: int
    unit: Unit
    near: float | None
    numbers: float | None
    names: Names
    denied: bool

    @property
    def weight(self) -> float:
        """How likely the claim comes from this sentence."""
        names = {"held": 1.0, "other": -0.5}.get(self.names, 0.0)
        return (self.near or 0.0) + NUMBERS_WEIGHT * (self.numbers or 0.0) + NAMES_WEIGHT * names

    @property
    def alike(self) -> bool:
        """Whether both share the claim's numbers or names."""
        return self.numbers == 1.0 or self.names == "held"

    @property
    def same_matter(self) -> bool:
        if self.near is None:
            return self.alike or bool(self.numbers)
        return self.near >= FAR or (self.alike and self.near >= FAR / 2)

    @property
    def bears_out(self) -> bool:
        """Whether nothing contradicts the claim, and the sentence is near enough (a shared number or name lowers the
        bar)."""
        if self.near is None or self.numbers not in (None, 1.0) or self.names in ("other", "unknown") or self.denied:
            return False
        return self.near >= (FAR if self.alike else NEAR)


def decide_across(
    claim: Claim,
    cited: tuple[int, ...],
    looked: Sequence[int],
    passages: Mapping[int, PassageSupport],
    meaning: Nearness | None,
) -> ClaimVerdict:
    """Check one claim against passages of the other language.

    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.answer.words.terms import terms_of
    >>> from rag.retrieval.candidate import Passage
    >>> passage = PassageSupport(Passage(1, [SentenceRecord("leave.md", 0, "每位员工有25天假期。")], [], 0.9))
    >>> claim = Claim("Each employee gets 30 days of leave.", terms_of("Each employee gets 30 days of leave."))
    >>> class Near:  # compares meanings, in the place of an encoder
    ...     def nearness(self, claim, sentences, *, across):
    ...         return [0.8 for _ in sentences]
    >>> verdict = decide_across(claim, (1,), [1], {1: passage}, Near())
    >>> verdict.status, verdict.decided_by
    ('contradicted', 'numbers')

    Args:
        cited: numbers of the passages that the claim cites.
        looked: numbers of the passages to judge by: those cited, else all.
        passages: number -> passage.
        meaning: compares meanings; None leaves undecided what numbers and names do not decide.
    """
    stated = f"{claim.question} {claim.text}" if claim.context and claim.yes is None else claim.stated
    best = {number: _best(claim, stated, passages[number], meaning) for number in passages}
    own = max((best[number] for number in looked), key=lambda crossed: crossed.weight)
    other = max(best.values(), key=lambda crossed: crossed.weight)
    unit = own.unit if cited else None
    support = round(min(1.0, max(0.0, own.near or 0.0)), 4)
    if not own.bears_out and other.bears_out and other.weight >= own.weight + ELSEWHERE:
        near = round(min(1.0, max(0.0, other.near or 0.0)), 4)
        return ClaimVerdict("moved" if cited else "matched", (other.number,), "encoder", near, other.unit)
    if not own.same_matter:
        if own.near is None:
            return _blind(claim, cited, other, unit)
        return ClaimVerdict("unsupported", cited, "encoder", support, unit)
    if own.numbers is not None and own.numbers < 1.0:
        return ClaimVerdict("contradicted", cited, "numbers", support, unit)
    if own.names == "other":
        return ClaimVerdict("contradicted", cited, "names", support, unit)
    if own.denied and (own.near is not None or own.alike):
        return ClaimVerdict("contradicted", cited, "negation", support, unit)
    if own.bears_out and claim.yes is None:
        return ClaimVerdict("cited" if cited else "matched", cited or (own.number,), "encoder", support, own.unit)
    return ClaimVerdict("unverified", cited, "none" if own.near is None else "encoder", support, unit)


def _blind(claim: Claim, cited: tuple[int, ...], other: Crossed, unit: Unit | None) -> ClaimVerdict:
    """Decide without an encoder if the claim shares no number or name with the passages it cites."""
    if claim.numbers and not (other.alike and other.names != "other"):
        return ClaimVerdict("unsupported", cited, "numbers", 0.0, unit)
    return ClaimVerdict("unverified", cited, "none", 0.0, unit)


def _best(claim: Claim, stated: str, support: PassageSupport, meaning: Nearness | None) -> Crossed:
    units = support.units
    near = meaning.nearness(stated, [unit.text for unit in units], across=True) if meaning else None
    found = []
    for place, unit in enumerate(units):
        held = [bool(unit.evidence.holds(term)) for term in claim.numbers]
        found.append(
            Crossed(
                support.passage.number,
                unit,
                None if near is None else near[place],
                sum(held) / len(held) if held else None,
                compare_names(claim.text, unit.text),
                _denied(claim.text if claim.yes is None else claim.question, unit.text) != (claim.yes is False),
            )
        )
    hits = set(support.passage.hits)
    return max(found, key=lambda crossed: (crossed.weight, crossed.unit.record.id in hits))


def _denied(claim: str, sentence: str) -> bool:
    """Return whether one denies something and the other nothing, or one nothing and the other everything."""
    mine = {denies(clause) for clause in clauses_of(claim) or [claim]}
    theirs = {denies(clause) for clause in clauses_of(sentence) or [sentence]}
    return (True in mine and True not in theirs) or (True not in mine and False not in theirs)
