"""Fold passages that repeat one another, so that a copied chapter takes one place in the prompt.

Only the passages that a model or a person reads are folded; runs that are scored rank all candidates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from indexes.nodes.record import SentenceRecord
from indexes.text.words import folded, prepared
from rag.retrieval.candidate import Candidate, Passage
from rag.retrieval.windows import merge_windows

_WORD = re.compile(r"\w+")
_NOT = re.compile(r"(?<=ca)n(?:not|['’]t)\b|(?<=\w)n['’]t\b", re.IGNORECASE)  # can't is "ca not", as cannot is
_OWNER = re.compile(r"['’]s\b", re.IGNORECASE)
# Words and particles that do not change what a sentence says.
_LIGHT = frozenset("a an the also too please then thus hence therefore moreover furthermore however that s".split())  # noqa: SIM905
_PARTICLES = re.compile("[的了]|因此|所以|此外|另外|而且")
_NUMERALS = "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_DIGITS = {word: str(value) for value, word in enumerate(_NUMERALS)}
_LEAST_SHARED = 2  # sentences that two shifted windows of one copied text must share


@dataclass(slots=True)
class _Said:
    """The keys of a passage's sentences in order, and of those that were found."""

    passage: Passage
    keys: list[str]
    found: set[str]

    @classmethod
    def by(cls, passage: Passage) -> _Said:
        hits = set(passage.hits)
        keyed = [(record, key) for record in passage.sentences if (key := _key(record.text))]
        return cls(passage, [key for _, key in keyed], {key for record, key in keyed if record.id in hits})

    def stands_in(self, other: _Said) -> bool:
        """Return whether ``other`` makes this passage superfluous."""
        if not self.keys:
            return False
        return set(self.keys) <= set(other.keys) or self._is_shifted(other)

    def _is_shifted(self, other: _Said) -> bool:
        """Return whether both are windows of one copied text that begin and end at different sentences.

        What they share must be contiguous in both, hold all that was found here, and be at least half of this passage.
        """
        shared = set(self.keys) & set(other.keys)
        if len(shared) < max(_LEAST_SHARED, len(self.keys) / 2) or not self.found <= shared:
            return False
        mine = [place for place, key in enumerate(self.keys) if key in shared]
        theirs = [place for place, key in enumerate(other.keys) if key in shared]
        joined = mine[-1] - mine[0] + 1 == len(mine) and theirs[-1] - theirs[0] + 1 == len(theirs)
        # A sentence beside the shared ones must lie outside the other window; it must not differ from one in it.
        before = mine[0] == 0 or theirs[0] == 0
        behind = mine[-1] == len(self.keys) - 1 or theirs[-1] == len(other.keys) - 1
        return joined and before and behind


def distinct_passages(
    candidates: Sequence[Candidate], windows: Mapping[str, Sequence[SentenceRecord]], *, limit: int
) -> list[Passage]:
    """Merge windows as ``merge_windows`` does, and fold passages that repeat another one into it.

    A passage repeats another one if it holds no other sentences, or if both are windows of one copied text that begin
    and end at different sentences. Sentences are compared word by word, ignoring case, punctuation, spacing, accents,
    articles, plurals, the form of numerals, and traditional or simplified characters. One different number, name or
    "not" keeps both. The next candidates fill the place of a folded passage; ``repeats`` lists where it was found.

    >>> said = ["The boat comes at 9.", "the  BOAT comes at nine!", "The boat comes at 10."]
    >>> found = [Candidate(SentenceRecord(f"{number}.md", 0, text)) for number, text in enumerate(said)]
    >>> [(passage.text, len(passage.repeats)) for passage in distinct_passages(found, {}, limit=3)]
    [('The boat comes at 9.', 1), ('The boat comes at 10.', 0)]
    """
    left, elsewhere = list(candidates), dict[str, list[SentenceRecord]]()
    while True:
        passages = merge_windows(left, windows, limit=limit)
        kept: list[_Said] = []
        again: list[tuple[Passage, Passage]] = []
        for said in map(_Said.by, passages):
            first = next((other.passage for other in kept if said.stands_in(other)), None)
            if first is None:
                kept.append(said)
            else:
                again.append((said.passage, first))
        if not again:
            break
        for passage, first in again:
            elsewhere.setdefault(first.hits[0], []).append(passage.sentences[0])
            gone = set(passage.hits)
            left = [candidate for candidate in left if candidate.id not in gone]
    for passage in passages:
        passage.repeats = [record for hit in passage.hits for record in elsewhere.get(hit, [])]
    return passages


@lru_cache(maxsize=4096)
def _key(text: str) -> str:
    """Return a sentence's words in the form in which they are compared."""
    plain = _OWNER.sub("", _NOT.sub(" not", prepared(text).text))
    words = (_word(word) for word in _WORD.findall(_PARTICLES.sub("", plain).casefold()))
    return " ".join(word for word in words if word and word not in _LIGHT)


def _word(word: str) -> str:
    if word.isascii() and word.isalpha():
        plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
        return _DIGITS.get(word) or (word[:-1] if plural else word)
    return folded(word)
