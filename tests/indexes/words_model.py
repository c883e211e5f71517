"""A model that needs no torch, which takes a process of its own longer to load than all else that a test does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from indexes.encoders.base import Encoded, Encoder
from indexes.encoders.bm25 import Bm25
from indexes.encoders.paired import PairedEncoder

DIM = 32


class WordVectors:
    """A text is the sum of its words' vectors, and another ``seed`` gives others.

    ``pause``: seconds that a call takes, so that a kill or a Ctrl-C meets a run at work.
    """

    max_tokens, dim, pooling = 512, DIM, "sum"

    def __init__(self, seed: int, pause: float = 0.0) -> None:
        self.seed, self.pause = seed, pause
        self.model = self.weights = f"words-{seed}"
        self.prompts = {"query": "", "document": ""}

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        time.sleep(self.pause)
        rows = [sum(word_vector(self.seed, word[:3].lower()) for word in text.split()) for text in texts]
        dense = np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)
        return Encoded(dense)


@lru_cache(10_000)
def word_vector(seed: int, word: str) -> Any:
    return np.random.default_rng([seed, *word.encode()]).standard_normal(DIM)


def words_model(seed: int, pause: float = 0.0) -> Encoder:
    return PairedEncoder(WordVectors(seed, pause), Bm25())
