"""Made-up documents for the races: repeatable from a seed, with the lengths and the word statistics of prose."""

from __future__ import annotations

import random
from collections.abc import Iterator

_ONSETS = (*"bcdfghlmnprstvw", "br", "cl", "dr", "fl", "gr", "pl", "st", "tr")
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ou"]
_CODAS = ["", "n", "r", "s", "t", "l", "nd", "st"]


def vocabulary(size: int, seed: int = 7) -> list[str]:
    """``size`` different word-like strings of one to three syllables."""
    draw = random.Random(seed)
    words: dict[str, None] = {}
    while len(words) < size:
        syllables = draw.choice((1, 2, 2, 3))
        word = "".join(draw.choice(_ONSETS) + draw.choice(_VOWELS) + draw.choice(_CODAS) for _ in range(syllables))
        words[word] = None
    return list(words)


def documents(sentences: int, *, sentences_each: int = 100, seed: int = 7) -> Iterator[str]:
    """Texts of ``sentences_each`` sentences, 6 to 40 words each (mean about 20), Zipf-distributed words."""
    draw = random.Random(seed)
    words = vocabulary(20_000, seed)
    weights = [1 / (rank + 10) for rank in range(len(words))]
    for start in range(0, sentences, sentences_each):
        lines = []
        for _ in range(min(sentences_each, sentences - start)):
            length = max(6, min(40, int(draw.gauss(20, 8))))
            chosen = draw.choices(words, weights, k=length)
            lines.append(" ".join(chosen).capitalize() + ".")
        yield " ".join(lines)
