"""Embeddings kept by content: a text is encoded once for a model, whatever the configuration it is measured in.

One SQLite file a model. Queries are kept with the milliseconds their encoding took the first time, so that a run served
from the cache still reports what a question costs.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from indexes.encoders.base import Encoded, Encoder, Fingerprint, Lexical, SparseVector
from indexes.encoders.bm25 import Bm25
from indexes.encoders.paired import PairedEncoder

FORMAT = 1
_CHUNK = 500  # keys in one SELECT, below SQLite's limit of variables
ENCODE_TOGETHER = 2048  # texts encoded before they are written: what an interrupted run loses at most


def cache_folder(path: str | Path | None = None) -> Path:
    """Where caches live: ``path``, else RAG_EVAL_CACHE, else ragwright/eval under XDG_CACHE_HOME (~/.cache)."""
    if path is None and (named := os.environ.get("RAG_EVAL_CACHE")):
        path = named
    if path is None:
        path = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "ragwright" / "eval"
    return Path(path).expanduser()


class CachedEncoder:
    """An ``Encoder`` that asks another one only for texts it has not seen.

    Args:
        encoder: the model. Of a dense model with BM25 beside it only the dense side is kept: BM25 costs nothing.
        folder: the cache; files are named by what makes vectors comparable.

    ``last_query_ms`` is the time the last question's encoding took when it was first done.
    """

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self.inner = encoder
        self._bm25 = encoder.lexical if isinstance(encoder.lexical, Bm25) else None
        self._fingerprint = encoder.fingerprint
        # The words of BM25 change with its parameters, the dense vectors do not.
        model = replace(self._fingerprint, sparse="none") if self._bm25 is not None else self._fingerprint
        self._store = _Store(folder / "embeddings" / f"{model.digest}.sqlite", self._fingerprint.dim)
        self.last_query_ms = 0.0

    @property
    def dim(self) -> int:
        return self.inner.dim

    @property
    def max_tokens(self) -> int:
        return self.inner.max_tokens

    @property
    def lexical(self) -> Lexical | None:
        return self.inner.lexical

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        def compute(missing: list[str]) -> Encoded:
            if isinstance(self.inner, PairedEncoder):
                return self.inner.dense.embed(missing, query=False)
            return self.inner.encode_documents(missing)

        encoded, _ = self._store.encode("d", texts, compute)
        if self._bm25 is not None:
            encoded = replace(encoded, sparse=self._bm25.encode_documents(texts))
        return encoded

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        def compute(missing: list[str]) -> Encoded:
            if isinstance(self.inner, PairedEncoder):
                return self.inner.dense.embed(missing, query=True)
            return self.inner.encode_queries(missing)

        encoded, spent = self._store.encode("q", texts, compute)
        started = time.perf_counter()
        if self._bm25 is not None:
            encoded = replace(encoded, sparse=self._bm25.encode_queries(texts))
        self.last_query_ms = spent + (time.perf_counter() - started) * 1000
        return encoded

    def close(self) -> None:
        self._store.close()


class _Store:
    """(kind, text) -> dense vector, sparse vector, whether it was cut, milliseconds."""

    def __init__(self, path: Path, dim: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._dim = dim
        # Retrievers run in threads as well; SQLite's own lock keeps them apart.
        self._db = sqlite3.connect(path, check_same_thread=False, timeout=60, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, dense BLOB, indices BLOB, "
            "weights BLOB, cut INTEGER, ms REAL) WITHOUT ROWID"
        )

    def encode(self, kind: str, texts: Sequence[str], compute: Callable[[list[str]], Encoded]) -> tuple[Encoded, float]:
        """The vectors of ``texts`` in order, and the milliseconds they took when they were made."""
        keys = [
            hashlib.sha256(f"{FORMAT}{kind}{text}".encode("utf-8", "surrogatepass")).digest()[:16] for text in texts
        ]
        found = self._get(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        waiting = list(missing.items())
        for start in range(0, len(waiting), ENCODE_TOGETHER):
            part = waiting[start : start + ENCODE_TOGETHER]
            started = time.perf_counter()
            encoded = compute([text for _, text in part])
            each = (time.perf_counter() - started) * 1000 / len(part)
            found.update(self._put([key for key, _ in part], encoded, each))
        dense = np.empty((len(texts), self._dim), np.float32)
        sparse: list[SparseVector] = []
        cut, spent = [], 0.0
        for row, key in enumerate(keys):
            vector, indices, weights, was_cut, milliseconds = found[key]
            dense[row] = np.frombuffer(vector, np.float32)
            if indices is not None:
                sparse.append(SparseVector(np.frombuffer(indices, np.uint32), np.frombuffer(weights, np.float32)))
            if was_cut:
                cut.append(row)
            spent += milliseconds
        return Encoded(dense, sparse if len(sparse) == len(texts) and sparse else None, tuple(cut)), spent

    def _get(self, keys: list[bytes]) -> dict[bytes, tuple]:
        found: dict[bytes, tuple] = {}
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, dense, indices, weights, cut, ms FROM vectors WHERE key IN ({marks})"  # noqa: S608
            found.update({row[0]: row[1:] for row in self._db.execute(query, part)})
        return found

    def _put(self, keys: list[bytes], encoded: Encoded, each_ms: float) -> dict[bytes, tuple]:
        cut = set(encoded.truncated)
        rows = []
        for row, key in enumerate(keys):
            sparse = encoded.sparse[row] if encoded.sparse is not None else None
            rows.append(
                (
                    key,
                    np.ascontiguousarray(encoded.dense[row], np.float32).tobytes(),
                    sparse.indices.astype(np.uint32).tobytes() if sparse is not None else None,
                    sparse.values.astype(np.float32).tobytes() if sparse is not None else None,
                    int(row in cut),
                    each_ms,
                )
            )
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")
        return {row[0]: row[1:] for row in rows}

    def close(self) -> None:
        self._db.close()


def digest(value: object) -> str:
    """16 hex digits of plain data, for names of cached things."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
