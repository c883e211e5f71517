"""The floor of an answer, fitted on the collection: whether the passages are about what is asked.

Two measures mean the same for every encoder: the share of the question's terms that the best sentence holds, each
weighted by its rarity in the collection; and how much nearer the best sentence is to the question than random sentences
of the collection, in standard deviations. How near it must be is fitted by asking halves of the collection's own
sentences, whose answers are in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexes.errors import StoreError
from indexes.text.invisible import searched
from rag.answer.check.meaning import FAR, NEAR
from rag.answer.check.outcome import Nearness
from rag.answer.check.support import PassageSupport
from rag.answer.language import Language, detect_language
from rag.answer.refusal.confidence import share_of
from rag.answer.refusal.other_words import NEAR as NEAR_IN_OTHER_WORDS
from rag.answer.refusal.other_words import nearness
from rag.answer.words.terms import Evidence, Term, terms_of
from rag.retrieval.candidate import Passage

SURE = 0.67  # share of the question's terms from which the passages are about it, however near they are
OTHER_WORDS = 0.1  # share below which a question is in other words, rather than about another thing of the same kind
FLOOR = 0.5  # share below which they must be as near as the nearer half of the collection's own questions
SAMPLE = 800  # sentences sampled to count how rare terms are
VECTORS = 400  # sampled sentences compared with a question
PROBES = 24  # sampled sentences halved and asked
FEWEST = 60  # sentences: fewer do not show what is near
FEW_TERMS = 2  # terms up to which a question must be nearer, across languages
SHORTEST = 5  # terms of a sentence that is asked
LOW, HIGH = 0.1, 0.5  # quantiles of the nearness of the collection's own questions to their sentences
KEY = "floor"  # in the collection's record
RULES = 1  # version of the fitting
NARROW = 0.1  # standard deviations: a smaller distance of both quantiles is chance
GROWN = 1.2  # a collection that grew or shrank by this factor is sampled again


@dataclass(slots=True)
class Sample:
    """A sample of the collection.

    Args:
        count: the collection's size when it was sampled.
        texts: sampled sentences.
        vectors: their dense vectors, float32 (n, dim); None for a small collection.
        low, high: how near the collection's own questions are, in standard deviations, at two quantiles.
    """

    count: int
    texts: list[Evidence] = field(default_factory=list)
    vectors: NDArray[np.float32] | None = None
    low: float = 0.0
    high: float = 0.0


class Floor:
    """Judge passages by the collection that they come from, which is sampled at the first question.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> texts = ["The harbour opens at 6.", "The museum opens at 9."]
    >>> store = SimpleNamespace(count=lambda: 2, sample=lambda most: ([{"text": text} for text in texts], None))
    >>> floor = Floor(SimpleNamespace(store=store))
    >>> passages = [Passage(1, [SentenceRecord("x.md", 0, text)], [], 0.9) for text in texts]
    >>> [round(floor.confidence("When does the harbour open?", [passage]), 2) for passage in passages]
    [1.0, 0.21]

    Args:
        index: an open index.
    """

    def __init__(self, index: Any) -> None:
        self._index = index
        self._sample: Sample | None = None
        self._reading = Lock()

    def confidence(self, question: str, passages: Sequence[Passage]) -> float:
        """Return the share of the question's terms that the best sentence and its neighbours hold, 0 to 1.

        Terms that are rare in the collection count more; those that are not in it count as the rarest.
        """
        return share_of(question, passages, self.rarity)

    def rarity(self, terms: Sequence[Term]) -> list[float]:
        """Return the inverse document frequency of each term in the collection."""
        texts = self._read().texts
        counts = [sum(text.holds(term) >= 1.0 for text in texts) for term in terms]
        return [math.log(1 + (len(texts) - count + 0.5) / (count + 0.5)) for count in (max(1, one) for one in counts)]

    def speaks(
        self,
        question: str,
        passages: Sequence[Passage],
        language: Language,
        *,
        dense: NDArray[np.float32] | None = None,
        cosine: float | None = None,
        nearest_text: str | None = None,
        meaning: Nearness | None = None,
    ) -> Literal["words", "meaning"] | None:
        """Return what lets the passages' own sentences be given as an answer; None if nothing does.

        "words": they are about what is asked. "meaning": they hold hardly a word of the question, but the nearest one
        is as near to it as an answer in other words; nothing else speaks for it.

        Args:
            dense: the question's vector, float32 (dim,).
            cosine: cosine of the question and the passages' nearest sentence, as stored; None if unknown.
            nearest_text: that sentence.
            meaning: compares meanings across languages, where no term is shared.
        """
        if not passages:
            return None
        share = self.confidence(question, passages)
        if share >= SURE:
            return "words"
        across = [support for support in map(PassageSupport, passages) if support.language != language]
        if across and meaning is not None:
            # A greeting is as near to any sentence as a question to its answer: few words must be nearer.
            bar = NEAR if len(terms_of(question)) <= FEW_TERMS else FAR
            for support in across[:3]:
                # A file may hold both languages: sentences of the question's own would look too near on this scale.
                others = [unit.text for unit in support.units if detect_language(unit.text) != language]
                near = meaning.nearness(question, others, across=True) if others else None
                if near is not None and max(near) >= bar:
                    return "words"
        near_enough = None if dense is None or cosine is None else self.deviations(dense, cosine)
        if near_enough is None:
            enough = share >= FLOOR
        else:
            sample = self._read()
            enough = near_enough >= (sample.low if share >= FLOOR else sample.high)
        if enough:
            return "words"
        # In a larger collection, other sentences on the same matter are near too: a question that shares some of its
        # words with them, and lacks the others, asks something that they do not say.
        rewordable = share < (FLOOR if near_enough is None else OTHER_WORDS)
        if dense is None or cosine is None or not rewordable or len(across) == len(passages):
            return None
        found = nearness(self._index.encoder, self._alone(dense, cosine, nearest_text), language)
        return "meaning" if found is not None and found >= NEAR_IN_OTHER_WORDS else None

    def deviations(self, question: NDArray[np.float32], cosine: float) -> float | None:
        """Return how many standard deviations a cosine lies above those of the question with random sentences.

        None if the collection has too few sentences.
        """
        sample = self._read()
        if sample.vectors is None:
            return None
        return float(_deviations(question, sample.vectors, cosine))

    def nearness(self, question: NDArray[np.float32], cosine: float) -> float | None:
        """Return how near a sentence is to the question, on a scale that means the same for every encoder.

        1 if it is as near as the median of the collection's own questions to their sentences, 0 if only as near as a
        tenth of them. None if the collection has too few sentences.
        """
        found = self.deviations(question, cosine)
        if found is None:
            return None
        sample = self._read()
        return (found - sample.low) / max(NARROW, sample.high - sample.low)

    def _alone(self, question: NDArray[np.float32], cosine: float, text: str | None) -> float:
        """Return the cosine of the question and a sentence read by itself: with passages, the stored one is a mean."""
        if text is None or not self._index.store.keeps_lengths():
            return cosine
        return float(self._index.encoder.encode_documents([searched(text)]).dense[0] @ question)

    def _read(self) -> Sample:
        with self._reading:
            count = self._index.store.count()
            known = self._sample
            if known is None or not _is_like(count, known.count):
                self._sample = known = self._fit(count)
            return known

    def _fit(self, count: int) -> Sample:
        """Sample the collection, ask halves of its sentences, and keep how near those are to their sentences."""
        payloads, vectors = self._index.store.sample(SAMPLE)
        texts = [str(payload.get("text", "")) for payload in payloads]
        sample = Sample(count, [Evidence(text) for text in texts])
        probes = [
            (place, half)
            for place, (text, payload) in enumerate(zip(texts, payloads, strict=True))
            if payload.get("kind", "text") == "text" and (half := _half(text)) is not None
        ][:PROBES]
        if len(texts) < FEWEST or len(probes) < PROBES // 2:
            return sample
        sample.vectors = vectors[:VECTORS]
        kept = self._kept(count)
        if kept is not None:
            sample.low, sample.high = kept
            return sample
        encoded = self._index.encoder.encode_queries([half for _, half in probes]).dense
        near = [
            _deviations(question, sample.vectors, float(question @ vectors[place]))
            for question, (place, _) in zip(encoded, probes, strict=True)
        ]
        sample.low, sample.high = (float(np.quantile(near, share)) for share in (LOW, HIGH))
        # Kept only to spare the next process the encoding: a read-only store can be searched too, and a server's
        # collections are written only by whoever fills them.
        with suppress(StoreError, OSError):
            bars = {"rules": RULES, "count": count, "low": sample.low, "high": sample.high}
            if self._index.store.engine.kind != "server":
                self._index.store.set_record(**{KEY: bars})
        return sample

    def _kept(self, count: int) -> tuple[float, float] | None:
        """Return what an earlier process fitted on this collection, unless it has grown or shrunk much since."""
        kept = self._index.store.record().get(KEY) or {}
        if kept.get("rules") != RULES or not _is_like(count, kept["count"]):
            return None
        return float(kept["low"]), float(kept["high"])


def _is_like(count: int, known: int) -> bool:
    return count / GROWN <= known <= count * GROWN


def _deviations(question: NDArray[np.float32], vectors: NDArray[np.float32], cosine: float) -> float:
    others = vectors @ question
    return (cosine - float(others.mean())) / max(1e-6, float(others.std()))


def _half(text: str) -> str | None:
    """Return the first half of a sentence, as a question about it; None if it has few terms."""
    if len(terms_of(text)) < SHORTEST:
        return None
    if detect_language(text) == "zh":
        return text[: len(text) // 2]
    words = text.split()
    return " ".join(words[: max(4, len(words) // 2)])
