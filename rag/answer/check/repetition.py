"""Stop the loops of small models: an answer ends where it begins to repeat itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import pairwise

from indexes.text.sentences import split_sentences

SAME = 0.8  # share of common word pairs from which two sentences count as the same
SHORTEST = 6  # words: shorter sentences ("Yes.", "Next step:") may come twice, and are a loop the third time


RESTART = "\0restart"  # a piece, by identity: discard everything before it (thinking, wrong language)


class RepetitionGuard:
    """Pass on the pieces of an answer until a sentence repeats.

    ``pieces`` then closes the stream, which also stops a local model, and sets ``cut``. The part of the repeated
    sentence that was passed on cannot be taken back; ``text`` is the answer without it.

    >>> guard = RepetitionGuard()
    >>> said = "The harbour opens at six every single morning. "
    >>> guard.takes(said), guard.takes(said + "And"), guard.text
    (True, False, 'The harbour opens at six every single morning.')
    """

    def __init__(self) -> None:
        self.cut = False
        self.text = ""
        self._said: list[tuple[int, str, frozenset[str]]] = []  # place, letters and digits, word pairs
        self._judged = 0  # characters of whole sentences that were looked at

    async def pieces(self, stream: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """Yield the stream's pieces up to the first repeated sentence."""
        async with aclosing(stream):
            async for piece in stream:
                if not self.takes(piece):
                    return
                yield piece

    def takes(self, piece: str) -> bool:
        """Add a piece; return False if the answer ends before it."""
        if piece is RESTART:
            self.text, self._said, self._judged = "", [], 0
            return True
        self.text += piece
        self.cut = any(mark in piece for mark in ".!?。！？；\n") and self._repeats()
        return not self.cut

    def _repeats(self) -> bool:
        spans = split_sentences(self.text[self._judged :])
        # The last one may still grow, unless the text has gone on behind it.
        for span in spans[:-1]:
            start, end = self._judged + span.start, self._judged + span.end
            sentence = self.text[start:end]
            plain, pairs = "".join(filter(str.isalnum, sentence.lower())), word_pairs(sentence)
            again = len(pairs) >= SHORTEST - 1 and any(overlap(pairs, other) >= SAME for _, _, other in self._said)
            last = self._said[-2:]
            stuck = len(last) == 2 and plain != "" and all(other == plain for _, other, _ in last)
            if again or stuck:
                self.text = self.text[: last[1][0] if stuck else start].rstrip()
                return True
            self._said.append((start, plain, pairs))
        if len(spans) > 1:
            self._judged += spans[-1].start
        return False


def cut_repetition(text: str) -> tuple[str, bool]:
    """Return the answer up to its first repeated sentence, and whether there was one.

    >>> cut_repetition("The harbour opens at six every single morning. " * 3)
    ('The harbour opens at six every single morning.', True)
    """
    guard = RepetitionGuard()
    for piece in (text, "\n\n."):
        if not guard.takes(piece):
            return guard.text, True
    return text, False


def word_pairs(sentence: str) -> frozenset[str]:
    """Return a sentence's word pairs (character pairs of Chinese) in lower case, without marks and punctuation.

    >>> sorted(word_pairs("The harbour opens [1]."))
    ['harbour opens', 'the harbour']
    """
    units: list[str] = []
    word = ""
    for char in sentence.lower():
        if char.isascii() and char.isalnum():
            word += char
            continue
        if word:
            units.append(word)
            word = ""
        if char.isalnum():
            units.append(char)
    if word:
        units.append(word)
    words = [unit for unit in units if not unit.isdigit()]
    return frozenset(f"{a} {b}" for a, b in pairwise(words))


def overlap(left: frozenset[str], right: frozenset[str]) -> float:
    """Return the share of pairs that two sets have in common, 0 to 1.

    >>> round(overlap(word_pairs("The harbour opens at six"), word_pairs("The harbour opens at nine")), 2)
    0.6
    """
    return len(left & right) / len(left | right) if left and right else 0.0
