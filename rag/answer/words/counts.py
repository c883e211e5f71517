"""Counts in words: "three members" against "five members", where a number word alone ("three") proves little."""

from __future__ import annotations

import re

from indexes.text.characters import HAN, is_han
from rag.answer.words.numbers import Number, numbers_in
from rag.answer.words.terms import is_stop_word, normal, stem

REACH = 2  # words behind a number among which the counted noun is
_WORD = re.compile(rf"[{HAN}]+|[^\W\d_][\w'’-]*|[^\w\s]")
_MORE = frozenset({"more", "other", "further", "additional"})
_MEASURES = frozenset("个名位条章本只台块件张项种座辆间层家所次头棵")


def miscounted(claim: str, sentence: str) -> list[Number]:
    """Return the numbers of a claim whose noun the sentence counts otherwise.

    >>> [number.value for number in miscounted("The board has five members.", "The board has three members.")]
    ['5']
    >>> miscounted("It rests on three ideas.", "It rests on thrift, order and work.")
    []
    """
    wanted = [(number, nouns) for number, nouns in _counts(claim) if number.strict or number.value != "1"]
    if not wanted:
        return []
    theirs = _counts(sentence)
    found = []
    for number, nouns in wanted:
        others = [other for other, counted in theirs if nouns & counted]
        if others and not any(number.same(other) for other, _ in theirs):
            found.append(number)
    return found


def _counts(text: str) -> list[tuple[Number, frozenset[str]]]:
    """Return the numbers without a unit, each with the words right behind it."""
    text = normal(text)
    return [
        (number, _behind(text[number.end : number.end + 40]))
        for number in numbers_in(text.lower())
        if not number.unit and "." not in number.value
    ]


def _behind(text: str) -> frozenset[str]:
    import rjieba

    found: list[str] = []
    if text[:1] in _MEASURES:
        text = text[1:]
    for match in _WORD.finditer(text):
        word = match.group()
        if is_han(word):
            found += [one for one, tag in rjieba.tag(word) if tag[:1] in "nvajl"][: REACH - len(found)]
            break
        if word.lower() in _MORE:
            continue
        if not word[0].isalpha() or is_stop_word(word.lower()):
            break
        found.append(stem(word))
        if len(found) >= REACH:
            break
    return frozenset(found)
