"""Generate documents for the races from the words of this project's guide, repeatable by a seed.

Words are drawn with their frequencies in docs/en, so that tokenization is realistic: invented words would give three
times as many pieces, and exaggerate the model's share of the time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "en"
MEAN_WORDS, SPREAD = 20, 8  # words per sentence, which has 6 to 40


@cache
def guide_words() -> tuple[str, ...]:
    """Return all words of the guide in order, without code blocks."""
    words: list[str] = []
    for page in sorted(GUIDE.glob("*.md")):
        text = re.sub(r"```.*?```", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        words += re.findall(r"[A-Za-z][a-z]+", text)
    if not words:
        raise SystemExit(f"the races draw their words from {GUIDE}, which is missing; run them in a clone")
    return tuple(words)


def documents(sentences: int, *, sentences_each: int = 100, seed: int = 7) -> Iterator[str]:
    """Yield texts of ``sentences_each`` sentences with 6 to 40 words (mean about 20)."""
    draw = random.Random(seed)
    words = guide_words()
    for start in range(0, sentences, sentences_each):
        lines = []
        for _ in range(min(sentences_each, sentences - start)):
            length = max(6, min(40, int(draw.gauss(MEAN_WORDS, SPREAD))))
            chosen = [words[int(draw.random() * len(words))].lower() for _ in range(length)]
            lines.append(" ".join(chosen).capitalize() + ".")
        yield " ".join(lines)
