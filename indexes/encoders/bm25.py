"""BM25 for Chinese and English as sparse vectors: counts a sentence, saturated over a window, IDF kept by Qdrant.

Chinese runs are cut into words by jieba's dictionary without its HMM. Character bigrams need more postings
for no better ranking. Without the HMM an unknown name falls into single characters, the same in question and document,
where the HMM guesses differently from sentence to sentence. Other words: NFKC, lower case, Snowball's English stem.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from indexes.encoders.base import EMPTY_SPARSE, SparseVector
from indexes.encoders.vectors import join
from indexes.settings.sections import SparseSettings
from indexes.text.characters import WITHOUT_BLANKS, compatible

VERSION = 1  # of the tokenisation: a change makes old collections incomparable
CACHED_WORDS = 500_000

# Han (with extensions), kana: no blanks between words. Everything else: runs of letters and digits.
_RUNS = re.compile(rf"([{WITHOUT_BLANKS}]+)|([^\W_{WITHOUT_BLANKS}]+(?:['’][^\W_{WITHOUT_BLANKS}]+)*)")

_ACRONYM = re.compile(r"\b(?:[a-z]\.){2,}")  # u.s. is us

# Few and harmless: "us", "may" and "will" stay out of the list (US, May, Will), and IDF does the rest.
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
    """Lexical side without a model. ``encode_documents`` counts terms, ``pool`` makes of counts what is stored.

    A term's index is CRC-32 of its UTF-8 bytes: the same on every machine and in every version. Two of n terms
    share an index with odds of about n^2 / 2^33: 1 in 86 for 10,000 distinct terms, about one pair in 100,000.
    Such a pair only adds a wrong count to a sentence now and then.

    Args:
        settings: ``k1`` and ``b`` as in Robertson and Zaragoza 2009; ``average_length`` in terms, fixed so that a
            point's vector never depends on what else is in the collection.
    """

    name = "bm25"
    idf = True

    def __init__(self, settings: SparseSettings | None = None) -> None:
        import rjieba
        import Stemmer

        settings = settings or SparseSettings()
        self.k1, self.b, self.average_length = settings.k1, settings.b, settings.average_length
        self._cut = rjieba.cut
        self._stemmer = Stemmer.Stemmer("english")
        self._stemmer_lock = threading.Lock()  # a Snowball stemmer keeps state: one word at a time
        self._indices: dict[str, int] = {}  # word -> index, -1 for a stop word

    @property
    def parameters(self) -> str:
        """For the fingerprint: everything that stored vectors depend on."""
        return f"bm25:v{VERSION},k1={self.k1:g},b={self.b:g},average_length={self.average_length:g}"

    def terms(self, text: str) -> list[str]:
        """The terms of a text in their order, stop words left out (to look at; encoding works on indices)."""
        return [self._stem(word) for word in self._words(text) if word not in STOP_WORDS]

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Raw term counts of each sentence, to be pooled over its window."""
        return [self._count(text) for text in texts]

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """Terms of each question, weighted by how often each is in it; Qdrant multiplies in the IDF."""
        return [self._count(text) for text in texts]

    def pool(self, window: Sequence[SparseVector]) -> SparseVector:
        """Counts of the window's sentences added up, then tf (k1 + 1) / (tf + k1 (1 - b + b length / average))."""
        counts = join(window, np.add)
        if not len(counts):
            return EMPTY_SPARSE
        tf = counts.values
        norm = self.k1 * (1 - self.b + self.b * float(tf.sum()) / self.average_length)
        return SparseVector(counts.indices, (tf * np.float32(self.k1 + 1) / (tf + np.float32(norm))).astype(np.float32))

    def _count(self, text: str) -> SparseVector:
        found = self._indices
        indices = [found[word] if word in found else self._index(word) for word in self._words(text)]
        counts = Counter(indices)
        counts.pop(-1, None)
        if not counts:
            return EMPTY_SPARSE
        terms = sorted(counts)
        return SparseVector(np.array(terms, np.uint32), np.array([counts[term] for term in terms], np.float32))

    def _words(self, text: str) -> list[str]:
        text = compatible(text).lower()
        if text.count(".") > 1:
            text = _ACRONYM.sub(lambda match: match.group().replace(".", ""), text)
        words: list[str] = []
        for han, other in _RUNS.findall(text):
            if han:
                words += self._cut(han, False)
            else:
                words.append(other)
        return words

    def _index(self, word: str) -> int:
        index = -1 if word in STOP_WORDS else zlib.crc32(self._stem(word).encode())
        if len(self._indices) >= CACHED_WORDS:
            self._indices = {}  # a fresh dict: other threads may still read the old one
        self._indices[word] = index
        return index

    def _stem(self, word: str) -> str:
        with self._stemmer_lock:
            return str(self._stemmer.stemWord(word.replace("’", "'")))
