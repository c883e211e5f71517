"""Follow-up questions: whether one stands alone, and what is searched if no model rewrites it."""

from __future__ import annotations

import re

from rag.answer.words.terms import asks_how_much, terms_of

_POINTS = re.compile(
    r"\b(?:it|its|they|them|their|theirs|that|those|this|these|he|she|him|her|his|hers|there|then|ones?|same|else|"
    r"others?|another|instead|too|also|so|more)\b|[它他她这那此其该]|呢|刚才|上面|前面|还有|也",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"^\W*(?:and|but|or|nor|so|what about|how about|why|really|那么?|还有|为什么|另外)\b", re.IGNORECASE
)
ENOUGH = 3  # content terms, and a measure that is asked for, from which a question names its topic itself


def stands_alone(question: str) -> bool:
    """Return whether a question names its topic and nothing in it points to what was said before.

    >>> stands_alone("How long is the notice period?"), stands_alone("And in the trial period?")
    (True, False)
    """
    if _POINTS.search(question) or _GOES_ON.search(question):
        return False
    return len(terms_of(question)) + asks_how_much(question) >= ENOUGH


def joined(before: str, question: str) -> str | None:
    """Join a follow-up with the question before it, if no model rewrites it; None if it stands alone.

    >>> joined("How long is the notice period?", "And in the trial period?")
    'How long is the notice period? And in the trial period?'
    """
    if not before or stands_alone(question):
        return None
    return f"{before} {question}".strip()
