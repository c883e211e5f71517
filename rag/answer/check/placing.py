"""Whether a sentence holds a claim's number or name in another clause, or in another column of its row.

"Pears cost 3 dollars, apples cost 9 dollars." holds every word of "Pears cost 9 dollars.", and says otherwise: the
part that holds the rest of the claim has another number, and the part with its number is about something else. Where
the parts cannot be told apart, nothing is decided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rag.answer.words.clauses import Name, Part, Word, is_year, parts_of, same_word
from rag.answer.words.numbers import Number
from rag.answer.words.polarity import denies
from rag.answer.words.terms import Evidence, Term, terms_of
from rag.answer.words.units import CURRENCIES

if TYPE_CHECKING:
    from rag.answer.check.support import Claim, Unit

COVERED = 0.75  # share of the claim's other terms that the part with another number must hold
HALF = 0.5  # the same for the row and the column with another number
FEWEST = 2  # terms beside the name
_COMPARES = re.compile(
    r"\b(?:unlike|instead|rather|compared|comparison|except|besides|respectively|versus|vs)\b"
    r"|\bthan\b(?!\s+(?:[a-z]+\s)?[\d$€£¥])|分别|各自|而不是|不同|不像|除了|除外|相比|比(?![例赛率分如较方重])",
    re.IGNORECASE,
)

Placed = Literal["numbers", "names"]


def misplaced(claim: Claim, unit: Unit, place: Evidence) -> Placed | None:
    """Return "numbers" or "names" if a number or name of the claim belongs to something else in the sentence.

    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.answer.check.support import Claim, Unit
    >>> text = "Pears cost 3 dollars, apples cost 9 dollars."
    >>> said, unit = "Pears cost 9 dollars.", Unit(SentenceRecord("x.md", 0, text), text)
    >>> misplaced(Claim(said, terms_of(said)), unit, Evidence(""))
    'numbers'

    Args:
        place: heading and file name of the passage.
    """
    stated = claim.stated
    if claim.yes is False or _COMPARES.search(stated) or _COMPARES.search(unit.text) or denies(stated):
        return None
    if unit.record.kind == "table" and "\n" in unit.text:
        return "numbers" if _in_another_column(claim, unit.text, place) else None
    if claim.numbers and _number_of_another(claim, stated, unit, place):
        return "numbers"
    return "names" if _name_of_another(stated, unit, place) else None


def _number_of_another(claim: Claim, stated: str, unit: Unit, place: Evidence) -> bool:
    theirs = parts_of(unit.text, "numbers")
    if len(theirs) < 2:
        return False
    mine = parts_of(stated, "numbers")
    for chunk in mine:
        said = chunk.evidence
        context = claim.context if len(mine) == 1 and claim.yes is None else []
        terms = [*terms_of(chunk.text), *context]
        stated_numbers = [*chunk.numbers, *(term.number for term in context if term.number)]
        for number in chunk.numbers:
            holders = [part for part in theirs if any(number.same(one) for one in part.numbers)]
            rivals = [
                part
                for part in theirs
                if part not in holders
                and any(kin(number, one) and not any(one.same(own) for own in stated_numbers) for one in part.numbers)
            ]
            for rival in rivals:
                if holders and all(_swapped(_beside(number, terms, one), rival, one, place, said) for one in holders):
                    return True
    return False


def _beside(number: Number, terms: Sequence[Term], holder: Part) -> list[Term]:
    """Return the terms beside a number, without the other end of its range ("10 to 14")."""
    return [
        term
        for term in terms
        if term.number is None
        or not (
            term.number.same(number)
            or (kin(number, term.number) and is_year(number) == is_year(term.number) and holder.holds(term))
        )
    ]


def _name_of_another(stated: str, unit: Unit, place: Evidence) -> bool:
    theirs = parts_of(unit.text, "names")
    if len(theirs) < 2:
        return False
    mine = parts_of(stated, "names")
    for chunk in mine:
        said = chunk.evidence
        for name in chunk.names:
            holders = [part for part in theirs if any(name.keys <= one.keys for one in part.names)]
            if not holders or any(_several(part.names) for part in holders):
                continue
            rest = [term for term in terms_of(chunk.text) if term.key not in name.keys]
            for part in theirs:
                if part in holders or _several(part.names):
                    continue
                rivals = [one for one in part.names if one.link == name.link and not _said(one, said)]
                held = [term for term in rest if part.holds(term)]
                # Both parts say the same of two names: "leads", "go to".
                alike = all(any(one.holds(term) for term in held) for one in holders)
                if (
                    rivals
                    and len(held) >= FEWEST
                    and alike
                    and all(_swapped(rest, part, one, place, said) for one in holders)
                ):
                    return True
    return False


def _several(names: Sequence[Name]) -> bool:
    return sum(not name.initial for name in names) > 1


def _said(name: Name, said: Evidence) -> bool:
    return any(said.holds(Term(key, "name", 1.0, chinese=not key.isascii())) >= 1 for key in name.keys)


def kin(number: Number, other: Number) -> bool:
    """Return whether one number can stand in the other's place: both have the same unit, or none.

    >>> from rag.answer.words.numbers import numbers_in
    >>> euros, dollars, metres = numbers_in("3 euros, 4 dollars, 5 metres")
    >>> kin(euros, dollars), kin(euros, metres)
    (True, False)
    """
    if not other.strict or is_year(number) != is_year(other):
        return False
    return number.unit == other.unit or (number.unit in CURRENCIES and other.unit in CURRENCIES)


def _swapped(rest: Sequence[Term], rival: Part, holder: Part, place: Evidence, said: Evidence) -> bool:
    """Return whether ``rival`` says what the claim says, and ``holder``, with its number, the same of another."""
    theirs = [term for term in rest if rival.holds(term)]
    if any(holder.holds(term) and term not in theirs for term in rest):
        return False
    only = [term for term in theirs if not holder.holds(term)]
    weight = sum(term.weight for term in rest)
    held = sum(term.weight for term in rest if term in theirs or place.holds(term))
    return bool(only) and held >= COVERED * weight and any(_contrast(term, rival, holder, said) for term in only)


def _contrast(term: Term, rival: Part, holder: Part, said: Evidence) -> bool:
    """Return whether ``holder`` has something else in the place of a term that only ``rival`` holds."""
    if term.number is not None:
        return any(kin(term.number, one) and not said.holds(_as_term(one)) for one in holder.numbers)
    known = {word.key for word in (*rival.before, *rival.after, *rival.inherited)}

    def foreign(words: Sequence[Word]) -> list[Word]:
        return [
            word
            for word in words
            if word.content
            and word.key not in known
            and said.holds(Term(word.key, "word", 1, chinese=word.chinese)) < 1
        ]

    mine, theirs = ([word for word in part.after if word.content] for part in (holder, rival))
    for at, word in enumerate(theirs):
        if same_word(word, term):  # in the same place: "a month" and "a year", "deep" and "wide"
            return any(
                other.link == word.link and (word.link or (at < len(mine) and mine[at] is other))
                for other in foreign(mine)
            )
    earlier = rival.start < holder.start  # then the holder would have inherited the word, had it nothing of its own
    for word in (*rival.before, *rival.inherited):
        if same_word(word, term):
            return (earlier or word.key in rival.own) and bool(foreign([*holder.before, *holder.inherited]))
    return False


def _as_term(number: Number) -> Term:
    return Term(number.value, "number", 1.0, number.strict, number=number)


def _in_another_column(claim: Claim, text: str, place: Evidence) -> bool:
    """Return whether the row holds a number of the claim under another heading than the claim's, and there another."""
    head, row = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.split("\n", 1))
    if len(head) != len(row) or len(row) < 3:
        return False
    columns, cells = [Evidence(cell) for cell in head], [Evidence(cell) for cell in row]
    said = Evidence(f"{claim.stated} {claim.question}" if claim.context else claim.stated)
    labels = [cell for cell in cells if not cell.numbers]
    terms = [*claim.terms, *(claim.context if claim.yes is None else ())]
    for wanted in claim.numbers:
        number = wanted.number or Number(wanted.key, True)
        holders = [at for at, cell in enumerate(cells) if any(number.same(one) for one in cell.numbers)]
        rivals = [
            at
            for at, cell in enumerate(cells)
            if at not in holders
            and any(
                one.strict and (kin(number, one) or not one.unit) and not said.holds(_as_term(one))
                for one in cell.numbers
            )
        ]
        rest = [term for term in terms if term is not wanted]
        for at in rivals:
            named = [term for term in rest if columns[at].holds(term) >= 1]
            held = sum(term.weight for term in rest if any(one.holds(term) for one in (columns[at], place, *labels)))
            if held < HALF * sum(term.weight for term in rest):
                continue
            if holders and all(
                _other_column(named, columns[at], columns[other], head[other], said) for other in holders
            ):
                return True
    return False


def _other_column(named: Sequence[Term], rival: Evidence, holder: Evidence, heading: str, said: Evidence) -> bool:
    """Return whether the claim names the rival's column rather than the one with its number."""
    if not any(not holder.holds(term) for term in named):
        return False
    return any(rival.holds(term) < 1 and said.holds(term) < 1 for term in terms_of(heading)) and not any(
        holder.holds(term) and not rival.holds(term) for term in named
    )
