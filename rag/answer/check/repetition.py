"""Loops of small models: an answer that begins to say again what it has said ends there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import pairwise

from indexes.text.sentences import split_sentences

SAME = 0.8  # share of word pairs in common that makes two sentences one
SHORTEST = 6  # words: a shorter sentence ("Yes.", "Next step:") may well come twice, and is a loop when it comes thrice


RESTART = "\0restart"  # a piece by identity: all before it was no answer (thinking, or the wrong language)


class RepetitionGuard:
    """Passes an answer's pieces on until a sentence comes that stands in it already.

    ``pieces(stream)`` stops reading then, closes the stream (which also stops a local model from generating) and sets
    ``cut``. What was passed on of the repeated sentence stays; ``text`` is the answer without it.
    """

    def __init__(self) -> None:
        self.cut = False
        self.text = ""
        self._said: list[tuple[int, str, frozenset[str]]] = []  # place, letters and digits, word pairs
        self._judged = 0  # characters of whole sentences that were looked at

    async def pieces(self, stream: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        async with aclosing(stream):
            async for piece in stream:
                if not self.takes(piece):
                    return
                yield piece

    def takes(self, piece: str) -> bool:
        """Add a piece; False if the answer ends before it."""
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
    """The answer up to its first repeated sentence, and whether there was one."""
    guard = RepetitionGuard()
    for piece in (text, "\n\n."):
        if not guard.takes(piece):
            return guard.text, True
    return text, False


def word_pairs(sentence: str) -> frozenset[str]:
    """Word pairs (character pairs of Chinese), lower case, markers and punctuation aside."""
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
    """Share of the pairs of both that they have in common, 0 to 1."""
    return len(left & right) / len(left | right) if left and right else 0.0
