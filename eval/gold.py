"""Is the gold text in here? What makes two texts the same, and whether one holds another.

Gold answers are groups of alternatives of which each group is needed (``Dataset.answers``). An answer that a model
wrote is read loosely (``contains``: punctuation, articles and markers do not count), a window of the documents as it
stands (``holds``).
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
    """Lower case, full-width forms folded, markers, punctuation and articles dropped, blanks single.

    >>> normalise("The Answer: Ｔampa, Florida [1]")
    'answer tampa florida'
    """
    plain = compatible(visible(_MARKERS.sub(" ", text))).lower()
    kept = "".join(" " if unicodedata.category(c)[0] in "PSZC" else c for c in plain)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def tokens(text: str) -> list[str]:
    """Words of normalised text; every Chinese character is a token of its own.

    >>> tokens("光荣和ω-force")
    ['光', '荣', '和', 'ω', 'force']
    """
    return _TOKEN.findall(normalise(text))


def contains(answer: str, gold: Gold) -> float:
    """1 where each needed gold answer stands in the answer, in any of its alternatives, as whole words."""
    text = f" {' '.join(tokens(answer))} "
    return float(bool(gold) and all(any(f" {' '.join(tokens(one))} " in text for one in any_of) for any_of in gold))


def holds(text: str, answers: Gold) -> bool:
    """True where ``text`` holds, of every group of alternatives, at least one (``Dataset.answers``)."""
    there = comparable(text)
    return bool(answers) and all(any(_inside(comparable(answer), there) for answer in group) for group in answers)


def first_window(windows: Iterable[str], answers: Gold) -> int | None:
    """1-based rank of the first window that holds the answers."""
    return next((rank for rank, window in enumerate(windows, start=1) if holds(window, answers)), None)


def _inside(answer: str, text: str) -> bool:
    """Whole words only where words have borders: "4" is not in "1942"."""
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
