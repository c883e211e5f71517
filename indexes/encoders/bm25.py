"""BM25 for Chinese and English as sparse vectors: counts per sentence, saturated over a window, IDF by Qdrant.

Chinese is segmented with jieba's dictionary, without its HMM: an unknown name then falls into single characters, the
same in question and document, where the HMM guesses differently from sentence to sentence. (Character bigrams need
more postings and do not rank better.) Other words: NFKC, lower case, Snowball's English stem. The other readings of a
word (``indexes.text.words``) are indexed as well, with weight ``BESIDE``.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from indexes.encoders.base import SparseVector
from indexes.encoders.vectors import EMPTY_SPARSE, join, join_many, weighted
from indexes.settings.sections import SparseSettings
from indexes.text.characters import is_han
from indexes.text.words import TOKEN, WORD_RULES, counted, in_capitals, parts_of, prepared, readings

CACHED_WORDS = 500_000
CAPITALS = re.compile("[A-Z\u212a]{2}")  # without a match, no stop word is in capitals
BESIDE = 0.5  # weight of another reading of a word

# Short on purpose: "us", "may" and "will" are not listed (US, May, Will); IDF does the rest.
STOP_WORDS = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it
    its my no nor not of on or our she should so than that the their them then there these they this those to was we
    were what when where which who whom why with would you your
    的 了 和 与 及 或 在 是 有 也 都 而 就 把 被 对 从 到 于 之 其 这 那 个 着 过 吗 呢 吧 啊 呀 么 地 得 给 让 向 以 并
    很 我 你 他 她 它 们 我们 你们 他们 她们 它们 这个 那个 这些 那些 什么 怎么 为什么 哪 哪些 哪个 一个
    """.split()  # noqa: SIM905 (readable as words)
)


class Bm25:
    """Lexical side without a model: ``encode_documents`` counts terms, ``pool`` turns counts into stored weights.

    >>> Bm25().terms("The pumps were inspected twice.")
    ['pump', 'inspect', 'twice']

    The index of a term is the CRC-32 of its UTF-8 bytes, the same on every machine and in every version. The odds that
    two of n terms collide are about n^2 / 2^33 (1 in 86 for 10,000 terms, about one pair in 100,000 terms); a collision
    adds a wrong count to a sentence now and then.

    Args:
        settings: ``k1`` and ``b`` as in Robertson and Zaragoza 2009; ``average_length`` in terms, fixed so that a
            point's vector does not depend on the rest of the collection.
    """

    name = "bm25"
    idf = True
    neighbours = 0.5

    def __init__(self, settings: SparseSettings | None = None) -> None:
        import rjieba
        import Stemmer

        settings = settings or SparseSettings()
        self.k1, self.b, self.average_length = settings.k1, settings.b, settings.average_length
        self._cut, self._has_word = rjieba.cut, rjieba.has_word
        self._stemmer = Stemmer.Stemmer("english")
        self._stemmer_lock = threading.Lock()  # a Snowball stemmer is not thread-safe
        self._known: dict[str, tuple[tuple[int, float], ...]] = {}  # word -> (index, weight) of its readings

    @property
    def parameters(self) -> str:
        """Everything that stored vectors depend on, for the fingerprint."""
        return self.parameters_under(WORD_RULES)

    def parameters_under(self, rules: int) -> str:
        """Return ``parameters`` as an earlier version with these word rules recorded them."""
        return f"bm25:v{rules},k1={self.k1:g},b={self.b:g},average_length={self.average_length:g}"

    def terms(self, text: str) -> list[str]:
        """Return the terms of a text in order, without stop words (for inspection; encoding works on indices)."""
        return [term for term, _ in self._readings(text)]

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Return the raw term counts of each sentence; ``pool`` merges them over a window."""
        return [self._count(text) for text in texts]

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """Return the term counts of each question; Qdrant multiplies them by the IDF."""
        return [self._count(text) for text in texts]

    def pool(self, window: Sequence[SparseVector], weights: Sequence[float] | None = None) -> SparseVector:
        """Add up the counts of a window, then saturate: tf (k1 + 1) / (tf + k1 (1 - b + b length / average))."""
        counts = join(weighted(window, weights), np.add)
        if not len(counts):
            return EMPTY_SPARSE
        tf = counts.values
        norm = self.k1 * (1 - self.b + self.b * float(tf.sum()) / self.average_length)
        return SparseVector(counts.indices, (tf * np.float32(self.k1 + 1) / (tf + np.float32(norm))).astype(np.float32))

    def pool_many(
        self, windows: Sequence[Sequence[SparseVector]], weights: Sequence[Sequence[float]]
    ) -> list[SparseVector]:
        rows = join_many(windows, weights, np.add)
        tf, ends = rows.values, rows.starts.tolist()
        lengths = [float(tf[start:end].sum()) for start, end in pairwise(ends)]
        norms = [self.k1 * (1 - self.b + self.b * length / self.average_length) for length in lengths]
        norm = np.repeat(np.array(norms, np.float32), np.diff(rows.starts))
        rows.values = (tf * np.float32(self.k1 + 1) / (tf + norm)).astype(np.float32)
        return rows.vectors()

    def _count(self, text: str) -> SparseVector:
        counts: dict[int, float] = {}
        for words, weight in self._words(text):
            for word in words:
                found = self._known.get(word)
                for index, share in found if found is not None else self._learn(word):
                    counts[index] = counts.get(index, 0.0) + weight * share
        if not counts:
            return EMPTY_SPARSE
        terms = sorted(counts)
        return SparseVector(np.array(terms, np.uint32), np.array([counts[term] for term in terms], np.float32))

    def _words(self, text: str) -> list[tuple[list[str], float]]:
        """Return (words as written, weight of each) of a text, in order. A leading blank marks a finished term."""
        plain = prepared(text)
        words = self._cut_words(plain.text)
        found = [(words, 1.0)]
        if plain.mainland is not None:
            there = set(words)
            found.append(([word for word in self._cut_words(plain.mainland) if word not in there], BESIDE))
        found.append(([f" {term}" for term in plain.terms], 1.0))
        return found

    def _cut_words(self, plain: str) -> list[str]:
        words: list[str] = []
        if CAPITALS.search(plain) is None:
            for han, other in TOKEN.findall(plain):
                if han:
                    words += self._cut(han, False)
                else:
                    words.append(other)
            return words
        capitals: bool | None = None
        for han, other in TOKEN.findall(plain):
            if han:
                words += self._cut(han, False)
            elif other.isupper() and other.lower() in STOP_WORDS and len(other) > 1:
                capitals = in_capitals(plain) if capitals is None else capitals
                words.append(other.lower() if capitals else f" {other}")  # IT, WHO: not stop words
            else:
                words.append(other)
        return words

    def _readings(self, text: str) -> list[tuple[str, float]]:
        return [
            (term, weight * share)
            for words, weight in self._words(text)
            for word in words
            for term, share in self._read(word)
        ]

    def _read(self, word: str) -> list[tuple[str, float]]:
        """Return the terms of a word with their weights."""
        if word[0] == " ":
            return [(word[1:], 1.0)]
        if word in STOP_WORDS:
            return []
        if is_han(word):
            beside = [*parts_of(word, self._has_word), *counted(word)] if len(word) > 1 else []
            return [(word, 1.0), *((part, BESIDE) for part in beside if part not in STOP_WORDS)]
        found: dict[str, float] = {}
        for term, first in readings(word, self._stem, STOP_WORDS.__contains__):
            found[term] = max(found.get(term, 0.0), 1.0 if first else BESIDE)
        return list(found.items())

    def _learn(self, word: str) -> tuple[tuple[int, float], ...]:
        found = tuple((zlib.crc32(term.encode()), share) for term, share in self._read(word))
        if len(self._known) >= CACHED_WORDS:
            self._known = {}  # a fresh dict: other threads may still read the old one
        self._known[word] = found
        return found

    def _stem(self, word: str) -> str:
        with self._stemmer_lock:
            return str(self._stemmer.stemWord(word.replace("’", "'")))
