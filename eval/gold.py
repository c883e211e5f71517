"""Check whether a text contains the gold answer, and whether two texts are the same.

Gold answers are groups of alternatives, and each group is needed (``Dataset.answers``). A model's answer is read
loosely (``contains`` ignores punctuation, articles and citation marks), a window of the documents literally
(``holds``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from indexes.text.characters import HAN, comparable, compatible, is_wide, visible

Gold = Sequence[Sequence[str]]

_MARKERS = re.compile(r"\s*[\[［【][\d\s,，、^–-]+[\]］】]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
# One Han character, or a run of other letters and digits.
_TOKEN = re.compile(rf"[{HAN}]|[^\W{HAN}]+")


def normalise(text: str) -> str:
    """Return the text in lower case, with full-width forms folded and marks, punctuation and articles removed.

    >>> normalise("The Answer: Ｔampa, Florida [1]")
    'answer tampa florida'
    """
    plain = compatible(visible(_MARKERS.sub(" ", text))).lower()
    kept = "".join(" " if unicodedata.category(c)[0] in "PSZC" else c for c in plain)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def tokens(text: str) -> list[str]:
    """Return the words of the normalised text; each Chinese character is one token.

    >>> tokens("光荣和ω-force")
    ['光', '荣', '和', 'ω', 'force']
    """
    return _TOKEN.findall(normalise(text))


def contains(answer: str, gold: Gold) -> float:
    """Return 1.0 if the answer contains an alternative of each group as whole words, else 0.0.

    >>> contains("The notice period is 3 months. [1]", [["three months", "3 months"]])
    1.0
    >>> contains("It is 13 months.", [["3 months"]])
    0.0
    """
    text = f" {' '.join(tokens(answer))} "
    return float(bool(gold) and all(any(f" {' '.join(tokens(one))} " in text for one in any_of) for any_of in gold))


def holds(text: str, answers: Gold) -> bool:
    """Return whether ``text`` contains at least one alternative of each group (``Dataset.answers``).

    >>> holds("Signed in Paris in 1942.", [["1942"], ["Paris", "Lyon"]])
    True
    >>> holds("Signed in 1942.", [["4"]])  # whole words only
    False
    """
    there = comparable(text)
    return bool(answers) and all(any(_inside(comparable(answer), there) for answer in group) for group in answers)


def first_window(windows: Iterable[str], answers: Gold) -> int | None:
    """Return the 1-based rank of the first window that contains the answers, None if none does.

    >>> first_window(["It rains.", "Notice is 3 months."], [["3 months"]])
    2
    """
    return next((rank for rank, window in enumerate(windows, start=1) if holds(window, answers)), None)


def _inside(answer: str, text: str) -> bool:
    """Find whole words only, in scripts that separate words: "4" is not in "1942"."""
    start = text.find(answer) if answer else -1
    while start >= 0:
        end = start + len(answer)
        before, after = text[start - 1 : start], text[end : end + 1]
        if not (_word(before) and _word(answer[0])) and not (_word(after) and _word(answer[-1])):
            return True
        start = text.find(answer, start + 1)
    return False


def _word(character: str) -> bool:
    return character.isalnum() and not is_wide(character)
