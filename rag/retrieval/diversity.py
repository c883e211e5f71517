"""Passages that say different things: candidates chosen for being unlike each other, and repeats folded into one.

Both serve who reads the answer's passages, a model or a person. Scored runs rank all candidates, repeats included.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.nodes.record import SentenceRecord
from rag.retrieval.candidate import Candidate, Passage
from rag.retrieval.windows import merge_windows

_WORD = re.compile(r"\w+")
_LIGHT = {"a", "an", "the"}  # words and particles that change nothing of what a sentence says
_PARTICLES = str.maketrans("", "", "的了")


def diversified(
    candidates: list[Candidate], vectors: Mapping[str, NDArray[np.float32]], diversity: float
) -> list[Candidate]:
    """Reorder candidates by maximal marginal relevance (Carbonell and Goldstein 1998).

    Args:
        candidates: best first; their scores stay as they are.
        vectors: candidate id -> its dense vector, of length 1.
        diversity: 0 to 1: how much being unlike the candidates before it counts against being relevant. Relevance and
            likeness are each stretched to [0, 1] over the candidates, for neither means the same in all models.
    """
    if len(candidates) < 3 or not all(candidate.id in vectors for candidate in candidates):
        return candidates
    relevance = _stretched(np.array([candidate.order for candidate in candidates], np.float64))
    rows = np.stack([vectors[candidate.id] for candidate in candidates]).astype(np.float64)
    alike = rows @ rows.T
    others = ~np.eye(len(candidates), dtype=bool)
    low, high = alike[others].min(), alike[others].max()
    alike = (alike - low) / ((high - low) or 1.0)
    chosen, left = [0], list(range(1, len(candidates)))
    while left:
        gains = [(1 - diversity) * relevance[i] - diversity * alike[i, chosen].max() for i in left]
        chosen.append(left.pop(int(np.argmax(gains))))  # the first of equals, which is the better one
    return [candidates[i] for i in chosen]


def distinct_passages(
    candidates: Sequence[Candidate], windows: Mapping[str, Sequence[SentenceRecord]], *, limit: int
) -> list[Passage]:
    """Return what ``merge_windows`` does, with passages that repeat another one folded into it.

    A passage repeats another one if each of its sentences stands there too, in the same words: case, punctuation,
    spacing, articles and particles aside. One differing number, name or "not" keeps both. The place of a folded passage
    goes to the next candidates; ``repeats`` of the passage that stands names where else it does.
    """
    left, folded = list(candidates), dict[str, list[SentenceRecord]]()
    while True:
        passages = merge_windows(left, windows, limit=limit)
        said: list[tuple[Passage, set[str]]] = []
        again: list[tuple[Passage, Passage]] = []
        for passage in passages:
            keys = {key for record in passage.sentences if (key := _key(record.text))}
            first = next((other for other, theirs in said if keys and keys <= theirs), None)
            if first is None:
                said.append((passage, keys))
            else:
                again.append((passage, first))
        if not again:
            break
        for passage, first in again:
            folded.setdefault(first.hits[0], []).append(passage.sentences[0])
            gone = set(passage.hits)
            left = [candidate for candidate in left if candidate.id not in gone]
    for passage in passages:
        passage.repeats = [record for hit in passage.hits for record in folded.get(hit, [])]
    return passages


def _key(text: str) -> str:
    """What a sentence says, word for word."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return " ".join(word.translate(_PARTICLES) for word in words if word not in _LIGHT)


def _stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = values.min(), values.max()
    return (values - low) / ((high - low) or 1.0)
