"""Nearness in meaning by the index's encoder (or reranker), on a scale that is fitted to each encoder.

Cosines of different encoders are not comparable: E5 gives unrelated sentences 0.75. So a scale is fitted on a few
sentences and their translations: 0 is the mean of pairs with different meanings, 1 the mean of pairs with the same. An
encoder that cannot tell translations from other sentences is not used across languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

NEAR = 0.65  # on that scale: the same meaning
FAR = 0.35  # below: about something else
TELLS = 0.9  # share of pairs whose translation must be nearer than any other sentence

_PAIRS = (
    ("The museum is closed on Mondays.", "博物馆星期一闭馆。"),
    ("Each employee gets 25 days of leave.", "每位员工有25天假期。"),
    ("The bridge was built by an English company.", "这座桥由一家英国公司建造。"),
    ("Keep the medicine in the refrigerator.", "药品应存放在冰箱中。"),
    ("The train to the airport leaves every ten minutes.", "开往机场的列车每十分钟一班。"),
    ("Passwords must be changed twice a year.", "密码每年必须更换两次。"),
    ("The lake is forty metres deep.", "湖深四十米。"),
    ("Children under six travel free of charge.", "六岁以下儿童免费乘车。"),
    ("The contract ends when the work is delivered.", "交付工作成果后合同即告终止。"),
    ("Add the salt before the water boils.", "水开之前放盐。"),
)


Scales = dict[bool, tuple[float, float] | None]  # across languages? -> both ends; None: cannot tell
_SCALES: WeakKeyDictionary[Any, Scales] = WeakKeyDictionary()


def _scales_of(encoder: Any) -> Scales:
    try:
        return _SCALES.setdefault(encoder, {})
    except TypeError:  # no hash, or nothing that can be referred to weakly
        return {}


class Meaning:
    """Compare sentences with an encoder.

    >>> from types import SimpleNamespace
    >>> reranker = SimpleNamespace(score=lambda claim, sentences: SimpleNamespace(probability=[0.9, 0.1]))
    >>> Meaning(None, reranker).nearness("It opens at 6.", ["The gates open at six.", "Fees."], across=False)
    [0.9, 0.1]

    Args:
        encoder: any ``Encoder``. Vectors live as long as this object, scales as long as the encoder (a server makes
            an engine for each question).
        reranker: one of ours (with ``score``), used first for sentences in the claim's language.
    """

    def __init__(self, encoder: Any, reranker: Any = None) -> None:
        self._encoder = encoder
        self._reranker = reranker if hasattr(reranker, "score") else None
        self._vectors: dict[str, np.ndarray] = {}
        self._scales = _scales_of(encoder)

    def nearness(self, claim: str, sentences: Sequence[str], *, across: bool) -> list[float] | None:
        """Return how near ``claim`` is to each sentence: about 1 for the same meaning, 0 or less for unrelated ones.

        None if the encoder cannot tell.

        Args:
            across: whether claim and sentences are in different languages.
        """
        if not sentences:
            return None
        if self._reranker is not None and not across:
            return [float(probability) for probability in self._reranker.score(claim, list(sentences)).probability]
        scale = self._scale(across)
        if scale is None:
            return None
        low, high = scale
        vectors = self._encode([claim, *sentences])
        return [float((vectors[0] @ other - low) / (high - low)) for other in vectors[1:]]

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            if len(self._vectors) > 2000:
                self._vectors.clear()
                new = list(dict.fromkeys(texts))
            for text, vector in zip(new, self._encoder.encode_documents(new).dense, strict=True):
                self._vectors[text] = np.asarray(vector, dtype=np.float32)
        return np.stack([self._vectors[text] for text in texts])

    def _scale(self, across: bool) -> tuple[float, float] | None:
        if across not in self._scales:
            english = self._encode([one for one, _ in _PAIRS])
            other = self._encode([two for _, two in _PAIRS])
            crossed = english @ other.T
            same = np.diag(crossed)
            tells = float(np.mean(crossed.argmax(axis=1) == np.arange(len(_PAIRS))))
            if across:
                apart = (crossed.sum() - same.sum()) / (crossed.size - len(same))
                self._scales[True] = (float(apart), float(same.mean())) if tells >= TELLS else None
            else:
                within = english @ english.T
                apart = (within.sum() - np.trace(within)) / (within.size - len(within))
                self._scales[False] = (float(apart), 1.0)
        return self._scales[across]
