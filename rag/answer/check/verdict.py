"""Decide about one claim: which passage bears it out, and if none does, why not.

Numbers, names, negations and words that exclude each other weigh first; then the share of the claim's terms. Where
the words cannot decide (another language, other words), the encoder or the reranker is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rag.answer.check.across import decide_across
from rag.answer.check.outcome import ClaimVerdict, Nearness, Status
from rag.answer.check.support import Claim, Finding, PassageSupport, Unit
from rag.answer.language import detect_language
from rag.answer.words.polarity import begins_with_yes_or_no, yes_or_no
from rag.answer.words.terms import Evidence, Term, share_held, terms_of

THIN = 2.5  # weight of words: a claim that says less, and nothing of the question, is checked together with it
ONE_WORD = 1.5
RIVAL = 0.2  # a passage that says less of a claim than the best one by this share does not bear it out
ABOUT = 0.5  # share of a claim's words: a sentence that holds it speaks of the same matter
MOST = 0.6
SHORT = 5  # words of an English claim: in a longer one a missing subject is one word of many
HALF = 0.4  # share of a claim's terms: below it, without an encoder to ask, no passage speaks of the claim


def prepare(text: str, question: str) -> Claim:
    """The claim with what it takes from the question: a bare value, a name or a yes says nothing without it."""
    terms = terms_of(text)
    yes = yes_or_no(text) if question else None
    question_terms = terms_of(question) if question else []
    if yes is not None:
        return Claim(text, [term for term in question_terms if term.strict], question_terms, question, yes)
    words = [term for term in terms if term.kind != "number"]
    own = Evidence(text)
    said = share_held(question_terms, [own]) if question_terms else 1.0
    weight = sum(min(term.weight, 1.0) for term in words)
    # "Plums cost 5 dollars" says something itself; "the head of the department" does not.
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
    """Check one claim against all passages; ``cited`` are those that the model named."""
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
        return ClaimVerdict("cited", cited, _by(claim), round(best.share, 4), best.unit)
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
    """The passages that bear the claim out, best first."""
    if not claim.terms and claim.yes is None:
        return []
    most = max((found.words for found in findings.values()), default=0.0)
    about = max((found.context for found in findings.values()), default=0.0)
    good = []
    for number, found in findings.items():
        if found.missing_numbers or found.missing_names or found.negated or found.rival:
            continue
        if claim.context:
            # The value must stand with what the question is about, and nowhere is more of it.
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
    """Does a short English claim speak of something that the passage never names: its first word is not there?"""
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
    """Do the cited passages bear the claim out between them?"""
    units = [findings[n].unit.evidence for n in cited if n in findings]
    if not units or claim.context or any(findings[n].negated or findings[n].rival for n in cited if n in findings):
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
    """No passage bears the claim out: contradicted, unverified or unsupported, and by what."""
    closest = max(findings.values(), key=lambda f: (round(f.words + (f.context if claim.context else 0.0), 3), f.share))
    own = max((findings[n] for n in looked), key=lambda f: f.share)
    support = round(own.share, 4)
    unit = own.unit if cited else None
    same_matter = closest.context >= ABOUT if claim.context else closest.words >= ABOUT
    if not claim.terms and claim.yes is None:
        return ClaimVerdict("unverified", cited, "none", 0.0, unit)
    if (other := _of_another(claim, passages)) is not None:
        return ClaimVerdict("contradicted", cited, "names", support, unit if cited else other)
    if closest.missing_numbers:
        stated = same_matter and closest.has_number
        return ClaimVerdict("contradicted" if stated else "unsupported", cited, "numbers", support, unit)
    if closest.missing_names:
        rest = [term for term in claim.terms if term not in closest.missing_names]
        about = bool(rest) and share_held(rest, [closest.unit.evidence]) >= MOST
        if claim.context:
            about = same_matter
        return ClaimVerdict("contradicted" if about else "unsupported", cited, "names", support, unit)
    reasoned = bool(claim.question_terms) and _speaks_of(claim.question_terms, passages)
    if same_matter and closest.negated and (closest.rival or (reasoned and closest.words < ABOUT)):
        # "Less is not paid" beside "more is paid", or a no whose reason the passage gives in other words.
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
        # "No, because short rides do not qualify.": a conclusion from the passage, in words that it need not have.
        return ClaimVerdict("unverified", cited, "question", support, unit)
    near = _near(claim, [*dict.fromkeys([own.number, closest.number])], passages, meaning)
    if near is not None:
        return ClaimVerdict("unverified" if near >= HALF else "unsupported", cited, "encoder", support, unit)
    half = support >= HALF and not claim.numbers
    return ClaimVerdict("unverified" if half else "unsupported", cited, "words", support, unit)


def _of_another(claim: Claim, passages: Mapping[int, PassageSupport]) -> Unit | None:
    """A sentence that says the same of somebody or something else: all but the claim's names stands in it."""
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
