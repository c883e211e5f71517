"""Find the words of a text that a question asks for, to highlight them."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def matched_spans(question: str, text: str) -> list[tuple[int, int]]:
    """Return (start, end) of the question's content words in ``text``, in order, without overlaps.

    >>> matched_spans("When does the harbour open?", "The harbour opens at 6.")
    [(4, 11), (12, 17)]
    """
    from rag.answer.words.terms import terms_of

    terms = terms_of(question)
    wanted = {term.key.lower() for term in terms if not term.chinese}
    found = [match.span() for match in _WORD.finditer(text) if match.group().isascii() and _is(match.group(), wanted)]
    lower = _plain(text)
    for term in terms:
        if term.chinese or not term.key.isascii():
            place = lower.find(term.key.lower())
            while place >= 0:
                found.append((place, place + len(term.key)))
                place = lower.find(term.key.lower(), place + len(term.key))
    apart: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if not apart or start >= apart[-1][1]:
            apart.append((start, end))
    return apart


def _is(word: str, wanted: set[str]) -> bool:
    from rag.answer.words.terms import stem

    return word.lower() in wanted or stem(word.removesuffix("'s")) in wanted


def _plain(text: str) -> str:
    """Return lower-case, simplified characters, each at its place."""
    from indexes.text.characters import simplified

    folded = "".join(character.lower() if len(character.lower()) == 1 else character for character in text)
    simple = simplified(folded)
    return simple if len(simple) == len(folded) else folded
