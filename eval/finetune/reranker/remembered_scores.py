"""A reranker that saves its scores, so that all shares are measured with one forward pass per text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexes.sqlite import Database
from rag.rerankers.base import RerankScores, empty_scores, sigmoid


class Remembered:
    """Wrap a reranker for our retriever, and save its raw scores by question and text in an SQLite file.

    >>> from types import SimpleNamespace
    >>> calls = []
    >>> def score(query, texts):
    ...     calls.append(texts)
    ...     return RerankScores(np.ones(len(texts), np.float32), np.ones(len(texts), np.float32))
    >>> reranker = Remembered(SimpleNamespace(fingerprint="0" * 16, name="big", score=score), folder / "scores.sqlite")
    >>> len(reranker.score("When?", ["It opens."])), len(reranker.score("When?", ["It opens.", "Fees."])), calls
    (1, 2, [['It opens.'], ['Fees.']])

    Args:
        reranker: a reranker of ``rag.rerankers``, called for pairs that are not in the file.
        path: the file, one per model.
    """

    def __init__(self, reranker: Any, path: Path) -> None:
        self._inner = reranker
        self.fingerprint: str = reranker.fingerprint
        schema = "CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY, raw REAL, cut INTEGER)"
        self._db = Database(path, schema, derived=True).open()

    @property
    def name(self) -> str:
        """The reranker's name."""
        return str(self._inner.name)

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        """Return the scores of the texts, saved or computed."""
        if not texts:
            return empty_scores()
        keys = [self._key(query, text) for text in texts]
        rows = self._db.rows_of("SELECT key, raw, cut FROM scores WHERE key IN", keys)
        found = {key: (raw, was_cut) for key, raw, was_cut in rows}
        missing = list({key: i for i, key in enumerate(keys) if key not in found}.items())
        if missing:
            scores = self._inner.score(query, [texts[i] for _, i in missing])
            cut = set(scores.truncated)
            rows = [(key, float(scores.raw[n]), int(n in cut)) for n, (key, _) in enumerate(missing)]
            self._db.many("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)
            found.update({key: (raw, was_cut) for key, raw, was_cut in rows})
        raw = np.array([found[key][0] for key in keys], np.float32)
        return RerankScores(raw, sigmoid(raw), tuple(i for i, key in enumerate(keys) if found[key][1]))

    def _key(self, query: str, text: str) -> bytes:
        content = f"{self.fingerprint}\0{query}\0{text}"
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()[:16]
