"""Decide about one claim: which passage supports it, or why none does.

Numbers, names, negations and words that exclude each other are compared first, then the share of the claim's terms. If
words cannot decide (another language, a paraphrase), the encoder or the reranker does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rag.answer.check.across import decide_across
from rag.answer.check.outcome import ClaimVerdict, Nearness, Status
from rag.answer.check.support import Claim, Finding, PassageSupport, Unit
from rag.answer.language import detect_language
from rag.answer.words.polarity import begins_with_yes_or_no, yes_or_no
from rag.answer.words.terms import Evidence, Term, share_held, terms_of

THIN = 2.5  # weight of words below which a claim, if it repeats nothing of the question, is checked together with it
ONE_WORD = 1.5
RIVAL = 0.2  # a passage whose share of a claim lies this far below the best one's does not support it
ABOUT = 0.5  # share of a claim's words from which a sentence is about the same matter
MOST = 0.6
SHORT = 5  # words of an English claim; in a longer one a missing subject is one word of many
HALF = 0.4  # share of a claim's terms below which, without an encoder, no passage is about the claim


def prepare(text: str, question: str) -> Claim:
    """Prepare a claim with the context that it needs: a bare value, a name or a yes says nothing without the question.

    >>> claim = prepare("At 6.", "When does the harbour open?")
    >>> [term.key for term in claim.terms], [term.key for term in claim.context]
    (['6'], ['harbour', 'open'])
    """
    terms = terms_of(text)
    yes = yes_or_no(text) if question else None
    question_terms = terms_of(question) if question else []
    if yes is not None:
        return Claim(text, [term for term in question_terms if term.strict], question_terms, question, yes)
    words = [term for term in terms if term.kind != "number"]
    own = Evidence(text)
    said = share_held(question_terms, [own]) if question_terms else 1.0
    weight = sum(min(term.weight, 1.0) for term in words)
    # "Plums cost 5 dollars" is a claim by itself; "the head of the department" is not.
    thin = said < ABOUT and (
        weight <= ONE_WORD or (weight < THIN and not said and not any(term.strict for term in terms))
    )
    context = [term for term in question_terms if not own.holds(term)] if thin else []
    reasoned = bool(question_terms) and begins_with_yes_or_no(text)
    return Claim(text, terms, context, question, question_terms=question_terms if reasoned else [])


def decide(
    claim: Claim,
    cited: tuple[int, ...],
    passages: Mapping[int, PassageSupport],
    *,
    threshold: float,
    meaning: Nearness | None = None,
) -> ClaimVerdict:
    """Check one claim against all passages.

    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.retrieval.candidate import Passage
    >>> passage = Passage(1, [SentenceRecord("x.md", 0, "The harbour opens at 6 every morning.")], [], 0.9)
    >>> claim = prepare("The harbour opens at 9.", "When does the harbour open?")
    >>> verdict = decide(claim, (1,), {1: PassageSupport(passage)}, threshold=0.5)
    >>> verdict.status, verdict.decided_by
    ('contradicted', 'numbers')

    Args:
        cited: numbers of the passages that the model cited.
        passages: number -> passage.
        threshold: smallest share of the claim's terms that supports it, 0 to 1.
        meaning: compares meanings if words cannot decide.
    """
    if not passages:
        return ClaimVerdict("unsupported", (), "none", 0.0)
    findings = {number: support.find(claim) for number, support in passages.items()}
    worded = claim.yes is None and (not claim.question or any(char.isalpha() for char in claim.text))
    language = detect_language(claim.text if worded else claim.question)
    looked = [n for n in cited if n in findings] or list(findings)
    across = [n for n in looked if passages[n].language != language]
    holding = _holding(claim, findings, threshold)
    right = [number for number in cited if number in holding]
    if right:
        best = findings[right[0]]
        return ClaimVerdict("cited", cited, _by(claim), round(best.share, 4), best.unit, tuple(right))
    if len(cited) > 1 and _together(claim, [passages[n] for n in cited if n in passages], findings, cited, threshold):
        best = max((findings[n] for n in cited if n in findings), key=lambda found: found.share)
        return ClaimVerdict("cited", cited, _by(claim), round(best.share, 4), best.unit)
    if across and len(across) == len(looked):
        verdict = decide_across(claim, cited, looked, passages, meaning)
        if verdict.status != "unsupported" or not holding:
            return verdict
    if holding:
        found = findings[holding[0]]
        status: Status = "moved" if cited else "matched"
        return ClaimVerdict(status, (found.number,), _by(claim), round(found.share, 4), found.unit)
    return _fail(claim, cited, looked, passages, findings, threshold, meaning)


def _holding(claim: Claim, findings: Mapping[int, Finding], threshold: float) -> list[int]:
    """Return the numbers of the passages that support the claim, best first."""
    if not claim.terms and claim.yes is None:
        return []
    most = max((found.words for found in findings.values()), default=0.0)
    about = max((found.context for found in findings.values()), default=0.0)
    good = []
    for number, found in findings.items():
        if found.missing_numbers or found.missing_names or found.negated or found.rival:
            continue
        if found.misplaced or found.other_year:
            continue
        if claim.context:
            # The value must stand beside the question's subject, where most of the subject is.
            if found.context <= 0 or found.context < about - RIVAL or (claim.yes is not None and found.context < MOST):
                continue
            if claim.terms and claim.yes is None and found.share < max(threshold, ABOUT):
                continue
        elif found.share <= 0 or found.share < threshold or found.words < most - RIVAL:
            continue
        if not claim.context and _new_subject(claim, found):
            continue
        good.append(number)
    return sorted(good, key=lambda n: (-round(findings[n].share + findings[n].context, 3), n))


def _new_subject(claim: Claim, found: Finding) -> bool:
    """Return whether a short English claim is about something that the passage never names: its first word."""
    words = [term for term in claim.words if not term.chinese]
    short = len(words) <= SHORT and len(words) == len(claim.words)
    return short and bool(words) and found.first_missing


def _together(
    claim: Claim,
    supports: Sequence[PassageSupport],
    findings: Mapping[int, Finding],
    cited: tuple[int, ...],
    threshold: float,
) -> bool:
    """Return whether the cited passages together support the claim."""
    units = [findings[n].unit.evidence for n in cited if n in findings]
    if (
        not units
        or claim.context
        or any(findings[n].negated or findings[n].rival or findings[n].misplaced for n in cited if n in findings)
    ):
        return False
    places = [support.place for support in supports]
    missing = [t for t in (*claim.numbers, *claim.names) if not any(e.holds(t) for e in (*units, *places))]
    return not missing and share_held(claim.terms, [*units, *places]) >= max(threshold, MOST)


def _fail(
    claim: Claim,
    cited: tuple[int, ...],
    looked: Sequence[int],
    passages: Mapping[int, PassageSupport],
    findings: Mapping[int, Finding],
    threshold: float,
    meaning: Nearness | None,
) -> ClaimVerdict:
    """Decide about a claim that no passage supports: contradicted, unverified or unsupported, and by what."""
    closest = max(findings.values(), key=lambda f: (round(f.words + (f.context if claim.context else 0.0), 3), f.share))
    own = max((findings[n] for n in looked), key=lambda f: f.share)
    support = round(own.share, 4)
    unit = own.unit if cited else None
    same_matter = closest.context >= ABOUT if claim.context else closest.words >= ABOUT
    if not claim.terms and claim.yes is None:
        return ClaimVerdict("unverified", cited, "none", 0.0, unit)
    for found in (own, closest):
        if found.misplaced:
            return ClaimVerdict("contradicted", cited, found.misplaced, support, unit if cited else found.unit)
    if (other := _of_another(claim, passages)) is not None:
        return ClaimVerdict("contradicted", cited, "names", support, unit if cited else other)
    if closest.missing_numbers:
        stated = same_matter and closest.has_number
        asked = Evidence(claim.question)
        if same_matter and not stated and all(asked.holds(number) for number in closest.missing_numbers):
            # The answer repeats the question's "in the 2015 season", of which the passage says only "this season".
            return ClaimVerdict("unverified", cited, "numbers", support, unit)
        return ClaimVerdict("contradicted" if stated else "unsupported", cited, "numbers", support, unit)
    if closest.missing_names:
        rest = [term for term in claim.terms if term not in closest.missing_names]
        about = bool(rest) and share_held(rest, [closest.unit.evidence]) >= MOST
        if claim.context:
            about = same_matter
        return ClaimVerdict("contradicted" if about else "unsupported", cited, "names", support, unit)
    if same_matter and closest.other_year and not closest.negated and not closest.rival:
        return ClaimVerdict("unverified", cited, "question", support, unit)
    reasoned = bool(claim.question_terms) and _speaks_of(claim.question_terms, passages)
    if same_matter and closest.negated and (closest.rival or (reasoned and closest.words < ABOUT)):
        # "Less is not paid" against "more is paid", or a no whose reason the passage gives in other words.
        return ClaimVerdict("unverified", cited, "question" if reasoned else "words", support, unit)
    if same_matter and closest.negated:
        return ClaimVerdict("contradicted", cited, "negation", support, unit)
    if same_matter and closest.rival:
        return ClaimVerdict("contradicted", cited, "words", support, unit)
    if claim.yes is not None:
        return ClaimVerdict(
            "unverified" if closest.context >= ABOUT else "unsupported", cited, "question", support, unit
        )
    if reasoned:
        # "No, because short rides do not qualify.": a conclusion from the passage, in words that may not be in it.
        return ClaimVerdict("unverified", cited, "question", support, unit)
    near = _near(claim, [*dict.fromkeys([own.number, closest.number])], passages, meaning)
    if near is not None:
        return ClaimVerdict("unverified" if near >= HALF else "unsupported", cited, "encoder", support, unit)
    half = support >= HALF and not claim.numbers
    return ClaimVerdict("unverified" if half else "unsupported", cited, "words", support, unit)


def _of_another(claim: Claim, passages: Mapping[int, PassageSupport]) -> Unit | None:
    """Return a sentence that says the same of someone or something else: it holds all but the claim's names."""
    rest = [term for term in claim.terms if term.kind != "name"]
    if not claim.names or claim.context or sum(term.weight for term in rest) < 2:
        return None
    for support in passages.values():
        for unit in support.units:
            if any(not unit.evidence.holds(number) for number in claim.numbers):
                continue
            if share_held(rest, [unit.evidence]) >= MOST and any(
                not unit.evidence.holds(name) and not support.place.holds(name) for name in claim.names
            ):
                return unit
    return None


def _speaks_of(question_terms: Sequence[Term], passages: Mapping[int, PassageSupport]) -> bool:
    return any(share_held(question_terms, [unit.evidence]) >= ABOUT for one in passages.values() for unit in one.units)


def _near(
    claim: Claim, numbers: Sequence[int], passages: Mapping[int, PassageSupport], meaning: Nearness | None
) -> float | None:
    if meaning is None:
        return None
    best: float | None = None
    for number in numbers:
        near = meaning.nearness(claim.text, [unit.text for unit in passages[number].units], across=False)
        if near:
            best = max(near) if best is None else max(best, max(near))
    return best


def _by(claim: Claim) -> str:
    return "question" if claim.context else "words"
