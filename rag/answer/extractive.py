"""Answer without an LLM: with the passages' best sentences, cited, in reading order.

A sentence's score is the share of the question's terms that it holds (terms that are rare in the passages count more;
terms of its neighbours or heading count less), plus bonuses: it is a hit, its retrieval score, the place of its
passage, and whether it holds what the question asks for (a number, a date, a reason, a definition).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexes.nodes.record import SentenceRecord
from rag.answer.check.citations import AnswerSentence, CitedAnswer, make_citation
from rag.answer.check.markers import MarkerScanner
from rag.answer.check.orders import without_orders
from rag.answer.language import Language
from rag.answer.list_items import in_items, is_row, one_record
from rag.answer.wanted import (
    ASKS_HOW,
    ASKS_MEANING,
    ASKS_NUMBER,
    ASKS_REASON,
    ASKS_TIME,
    needs_more,
)
from rag.answer.words.terms import Evidence, Term, share_held, terms_of
from rag.retrieval.candidate import Passage
from rag.retrieval.several import rarity

# Chosen on Chinese and English reading-comprehension questions; results hardly change around these values.
NEIGHBOUR_SHARE = 0.5  # weight of terms that only neighbours or the heading hold
HIT_BONUS = 0.1
SCORE_BONUS = 0.15  # times the retrieval score, scaled to [0, 1] over the hits
PASSAGE_BONUS = 0.15  # divided by the passage's number
EXPECTED_BONUS = 0.12
DEFINITION_BONUS = 0.3
TABLE_ROWS = 3  # rows of a table that an answer shows
WEAK_SHARE = 0.7  # share of the best score that further sentences need; 0.5 adds a sentence, and 1 % of answers
OTHER_ROW = 0.9  # share of the first row's score that a second row of a table or list needs
DUPLICATE_SHARE = 0.85
SHORT = {"en": 8, "zh": 14}  # words, characters: a shorter sentence may need the next one

_REASON = re.compile(
    r"\b(?:because|since|due to|as a result|so that|therefore|reason)\b|因为|由于|因此|所以|原因|为了|以便|以免",
    re.IGNORECASE,
)
_MEANING = re.compile(r"\b(?:is|are|was|were|means|refers to|called)\b|是|指|即|称为|叫做|意思", re.IGNORECASE)
_DEFINITION = re.compile(
    r"\w{0,4}(?:\s*[(（][^)）]{1,60}[)）])?[\s`*\"'”」]*,?\s*"
    r"(?:is an?\b|is the\b|are\b|means\b|stands for\b|refers to\b|was an?\b|是|指|即|就是|意思是|[:：—])"
)
_LIST_MARK = re.compile(r"^(?:(?:[-*+•·>]|\d{1,3}[.)、）])\s*)+(?=\D)")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-{2,}")
_DIGIT = re.compile(r"\d|[一二三四五六七八九十百千万亿两]")
_TIME = re.compile(
    r"\b(?:1[0-9]{3}|20[0-9]{2})\b|\d+年|\d+月|[零〇一二三四五六七八九十]+[年月日]|\b(?:january|february|march|april|may|june|july|august|"
    r"september|october|november|december|century|ago)\b|世纪|年代",
    re.IGNORECASE,
)
_COLON = (":", "：")
_QUESTION_MARK = ("?", "？")


@dataclass(slots=True)
class _Sentence:
    """A sentence that may go into the answer."""

    passage: Passage
    index: int
    record: SentenceRecord
    shown: str
    evidence: Evidence
    terms: list[Term]
    score: float = 0.0


def extract_answer(
    question: str,
    passages: Sequence[Passage],
    *,
    language: Language,
    sentences: int = 3,
    score: Mapping[str, float] | None = None,
) -> CitedAnswer:
    """Pick the sentences of the passages that answer best, each followed by ``[n]``.

    Headings, near-duplicates and sentences far weaker than the best one are left out. A sentence that ends in a colon,
    asks a question, or is short brings the next one along. The answer is empty only if there are no passages, or if
    they hold nothing but orders to a model.

    >>> texts = "Boats wait outside.", "The harbour opens at 6 every morning."
    >>> records = [SentenceRecord("harbour.md", i, text) for i, text in enumerate(texts)]
    >>> extract_answer("When does the harbour open?", [Passage(1, records, [], 0.9)], language="en").text
    'The harbour opens at 6 every morning. [1]'

    Args:
        question: the question as searched.
        passages: best first.
        language: the question's language, which decides what counts as short.
        sentences: maximum number of sentences.
        score: sentence id -> retrieval score (any scale), as far as known.
    """
    pool = _score(question, passages, score or {})
    chosen = _choose(pool, sentences, language, question)
    rank = {sentence.passage.number: place for place, sentence in reversed(list(enumerate(chosen)))}
    chosen.sort(key=lambda sentence: (rank[sentence.passage.number], sentence.index))
    return _write(chosen)


def _score(question: str, passages: Sequence[Passage], scores: Mapping[str, float]) -> list[_Sentence]:
    """Score all sentences; return them best first, ties in reading order."""
    pool: list[_Sentence] = []
    question_terms = terms_of(question)
    for passage in passages:
        bodies = [record for record in passage.sentences if record.kind != "heading"]
        for index, item in enumerate(in_items(without_orders(bodies or passage.sentences))):
            record = one_record(item)
            shown = shown_text(record, question_terms)
            pool.append(_Sentence(passage, index, record, shown, Evidence(shown), terms_of(shown)))
    held = [[one.evidence.holds(term) for term in question_terms] for one in pool]
    rarities = [rarity(sum(row[i] > 0 for row in held), len(pool)) for i in range(len(question_terms))]
    weights = [term.weight * rare for term, rare in zip(question_terms, rarities, strict=True)]
    total = sum(weights) or 1.0
    hit_scores = [scores[hit] for passage in passages for hit in passage.hits if hit in scores]
    low, high = (min(hit_scores), max(hit_scores)) if hit_scores else (0.0, 0.0)
    for place, one in enumerate(pool):
        around = [held[near] for near in (place - 1, place + 1) if _same_passage(pool, place, near)]
        title = Evidence(one.record.heading or one.passage.heading or "")
        context = [max([title.holds(term), *(row[i] for row in around)]) for i, term in enumerate(question_terms)]
        for i, weight in enumerate(weights):
            own = held[place][i]
            one.score += weight / total * (own + NEIGHBOUR_SHARE * max(0.0, context[i] - own))
        one.score += _prior(one, scores, low, high) + _expectation(question, question_terms, one)
    order = sorted(range(len(pool)), key=lambda i: (-round(pool[i].score, 9), i))
    return [pool[i] for i in order]


def shown_text(record: SentenceRecord, question_terms: Sequence[Term]) -> str:
    """Return what an answer shows of a stored sentence: its text; of a table, the header and the best matching rows.

    >>> shown_text(SentenceRecord("harbour.md", 0, "The harbour opens at 6."), [])
    'The harbour opens at 6.'
    """
    if record.kind != "table":
        return record.text
    rows = record.text.splitlines()
    body = next((i + 1 for i, row in enumerate(rows[:3]) if _TABLE_RULE.match(row)), 0)
    if len(rows) - body <= TABLE_ROWS:
        return record.text
    shares = {i: share_held(question_terms, [Evidence(rows[i])]) for i in range(body, len(rows))}
    best = sorted(shares, key=lambda i: (-shares[i], i))[:TABLE_ROWS]
    kept = [i for i in sorted(best) if shares[i] > 0] or best[:1]
    return "\n".join([*rows[:body], *(rows[i] for i in kept)])


def _same_passage(pool: list[_Sentence], one: int, other: int) -> bool:
    return 0 <= other < len(pool) and pool[one].passage is pool[other].passage


def _prior(one: _Sentence, scores: Mapping[str, float], low: float, high: float) -> float:
    """Return a sentence's bonus that does not depend on its words."""
    prior = PASSAGE_BONUS / one.passage.number
    if one.record.id in one.passage.hits:
        prior += HIT_BONUS
    if one.record.id in scores and high > low:
        prior += SCORE_BONUS * min(1.0, max(0.0, (scores[one.record.id] - low) / (high - low)))
    if one.record.text.rstrip().endswith(_QUESTION_MARK):
        prior -= 0.3
    if one.record.kind in ("code", "table"):
        prior -= 0.1
    return prior


def _expectation(question: str, question_terms: Sequence[Term], one: _Sentence) -> float:
    """Return the bonus of a sentence that holds the kind of thing that is asked for."""
    text = one.shown
    if ASKS_MEANING.search(question) and any(_defines(term, one.evidence.text) for term in question_terms):
        return DEFINITION_BONUS
    wanted = (
        (ASKS_TIME, _TIME),
        (ASKS_NUMBER, _DIGIT),
        (ASKS_REASON, _REASON),
        (ASKS_MEANING, _MEANING),
    )
    for asks, shows in wanted:
        if asks.search(question):
            return EXPECTED_BONUS if shows.search(text) else 0.0
    return 0.0


def _defines(term: Term, text: str) -> bool:
    """Return whether ``text`` (lower case) defines the term: "X is a ...", "X（...）是 ..."."""
    place = text.find(term.key)
    return place >= 0 and bool(_DEFINITION.match(text, place + len(term.key)))


def _choose(pool: list[_Sentence], limit: int, language: Language, question: str) -> list[_Sentence]:
    """Choose the best sentences without near-duplicates and far weaker ones; a lead-in brings its next sentence.

    So does the best sentence if it lacks the person, number or length of time that is asked for and the next holds it.
    """
    follow = bool(ASKS_HOW.search(question) or ASKS_MEANING.search(question))
    chosen: list[_Sentence] = []
    place = {(one.passage.number, one.index): one for one in pool}
    for one in pool:
        if len(chosen) >= limit:
            break
        if chosen and one.score < WEAK_SHARE * chosen[0].score:
            break
        if one in chosen or any(_duplicate(one, other) for other in chosen):
            continue
        if chosen and is_row(chosen[0].record) and one.score < OTHER_ROW * chosen[0].score:
            continue  # one row answers: other rows, and text around the list, would be noise
        chosen.append(one)
        after = place.get((one.passage.number, one.index + 1))
        if after is None or after in chosen:
            continue
        text = not is_row(one.record) and not is_row(after.record)
        wanting = one is chosen[0] and text and needs_more(question, one.shown, after.shown)
        if wanting or (len(chosen) < limit and _leads_on(one, language, follow)):
            chosen.append(after)
    return chosen


def _leads_on(one: _Sentence, language: Language, follow: bool) -> bool:
    text = one.record.text.rstrip()
    if text.endswith((*_COLON, *_QUESTION_MARK)):
        return True
    length = len(text) if language == "zh" else len(text.split())
    return follow and length < SHORT[language]


def _duplicate(one: _Sentence, other: _Sentence) -> bool:
    if one.record.id == other.record.id or one.record.text == other.record.text:
        return True
    mine, theirs = {term.key for term in one.terms}, {term.key for term in other.terms}
    small = min(len(mine), len(theirs))
    return small >= 4 and len(mine & theirs) >= DUPLICATE_SHARE * max(len(mine), len(theirs))


def _write(chosen: list[_Sentence]) -> CitedAnswer:
    """Join the sentences: with blanks in English, without in Chinese, tables and code on lines of their own."""
    answer = CitedAnswer("")
    for one in chosen:
        mark = f"[{one.passage.number}]"
        block = one.record.kind in ("code", "table")
        # A document's own "[3]" would look like one of our marks.
        scanner = MarkerScanner(())
        text = one.shown
        if not block:
            text = " ".join((scanner.feed(text) + scanner.finish()).split())
            text = _LIST_MARK.sub("", text) or one.shown
        gap = ""
        if answer.text:
            chinese = not block and not text[0].isascii() and not answer.sentences[-1].text[-1].isascii()
            gap = "" if chinese or answer.text.endswith("\n") else "\n" if block else " "
        start = len(answer.text) + len(gap)
        joint = "\n" if block else " " if text[-1].isascii() else ""
        answer.text += f"{gap}{text}{joint}{mark}" + ("\n" if block else "")
        end = len(answer.text.rstrip())
        answer.sentences.append(AnswerSentence(text, (one.passage.number,), "cited", 1.0, start, end))
        answer.citations.append(make_citation(one.passage, one.record, matched=False))
    answer.text = answer.text.rstrip()
    return answer
