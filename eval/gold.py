"""Success of the window: does what the answer reads hold the gold answer?"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence


def normal(text: str) -> str:
    """Text for comparing: width and compatibility forms joined (NFKC), case folded, white space as one blank, none
    beside Chinese characters."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if folded.isascii() or " " not in folded:
        return folded
    kept = [
        c
        for i, c in enumerate(folded)
        if c != " " or not (_wide(folded[i - 1]) or _wide(folded[i + 1]))  # never first or last: split() saw to it
    ]
    return "".join(kept)


def holds(text: str, answers: Sequence[Sequence[str]]) -> bool:
    """True where ``text`` holds, of every group of alternatives, at least one (``Dataset.answers``)."""
    there = normal(text)
    return bool(answers) and all(any(_inside(normal(answer), there) for answer in group) for group in answers)


def first_window(windows: Iterable[str], answers: Sequence[Sequence[str]]) -> int | None:
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
    return character.isalnum() and not _wide(character)


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
