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
from typing import Any

import numpy as np

from indexes.encoders.base import CountsTokens, DenseModel, Encoded, Encoder, Fingerprint, Lexical, SparseVector
from indexes.encoders.paired import PairedEncoder
from indexes.encoders.vectors import estimated_tokens
from indexes.errors import SettingsError
from indexes.folders import user_folder

FORMAT = 1
_CHUNK = 500  # keys in one SELECT, below SQLite's limit of variables
ENCODE_TOGETHER = 2048  # texts encoded before they are written: what an interrupted run loses at most


def cache_folder(path: str | Path | None = None) -> Path:
    """Return where caches live: ``path``, else RAG_EVAL_CACHE, else "eval" in the user's cache."""
    return Path(path or os.environ.get("RAG_EVAL_CACHE") or user_folder("cache") / "eval").expanduser()


def make_folder(folder: Path) -> Path:
    """The folder, made where it is not there.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"the cache folder {folder} cannot be made ({error.strerror})",
            remedy="name another one with --cache or RAG_EVAL_CACHE",
        ) from error
    return folder


class Cached:
    """What both kinds of cached encoders have. ``last_query_ms`` is the time the last question's encoding took when it
    was first done."""

    last_query_ms: float
    store: _Store

    def close(self) -> None:
        self.store.close()


def cache_encoder(encoder: Encoder, folder: Path) -> CachedEncoder | CachedPaired:
    """An ``Encoder`` that asks ``encoder`` only for texts it has not seen.

    Args:
        folder: the cache; files are named by what makes vectors comparable. Of a dense model with BM25 beside it only
            the dense side is kept: BM25 costs nothing, and its parameters change no vector.
    """
    if isinstance(encoder, (CachedEncoder, CachedPaired)):
        return encoder
    if isinstance(encoder, PairedEncoder):
        return CachedPaired(encoder, folder)
    return CachedEncoder(encoder, folder)


class CachedEncoder(Cached):
    """For models whose one forward pass gives both sides, or one."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._inner = encoder
        self.fingerprint = encoder.fingerprint
        self.store = _Store(folder, self.fingerprint)
        self.last_query_ms = 0.0

    @property
    def dim(self) -> int:
        return self.fingerprint.dim

    @property
    def max_tokens(self) -> int:
        return self._inner.max_tokens

    @property
    def lexical(self) -> Lexical | None:
        return self._inner.lexical

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``: the splitter cuts the same sentences with the cache as without it."""
        if isinstance(self._inner, CountsTokens):
            return self._inner.count_tokens(texts)
        return estimated_tokens(texts)

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        return self.store.encode("d", texts, self._inner.encode_documents)[0]

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        encoded, self.last_query_ms = self.store.encode("q", texts, self._inner.encode_queries)
        return encoded


class CachedPaired(Cached, PairedEncoder):
    """A dense model from the cache with its BM25 beside it: still a ``PairedEncoder``, as the pipeline knows it."""

    def __init__(self, encoder: PairedEncoder, folder: Path) -> None:
        dense_only = replace(encoder.fingerprint, sparse="none")
        self.store = _Store(folder, dense_only)
        super().__init__(_CachedModel(encoder.dense, self.store, dense_only), encoder.lexical)
        self.last_query_ms = 0.0

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        model = self.dense
        started = time.perf_counter()
        encoded = super().encode_queries(texts)
        spent = (time.perf_counter() - started) * 1000
        # What BM25 and a first encoding took is in ``spent``; of a repeated one the model's time is missing there.
        self.last_query_ms = max(spent, model.last_query_ms if isinstance(model, _CachedModel) else 0.0)
        return encoded


class _CachedModel:
    """A ``DenseModel`` from the cache."""

    def __init__(self, model: DenseModel, store: _Store, fingerprint: Fingerprint) -> None:
        self._inner, self._store = model, store
        self.model, self.weights, self.dim = fingerprint.model, fingerprint.weights, fingerprint.dim
        self.pooling, self.prompts = fingerprint.pooling, fingerprint.prompts
        self.last_query_ms = 0.0

    @property
    def max_tokens(self) -> int:
        return self._inner.max_tokens

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        encoded, spent = self._store.encode(
            "q" if query else "d", texts, lambda missing: self._inner.embed(missing, query=query)
        )
        if query:
            self.last_query_ms = spent
        return encoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # a model's own extras, such as its tokenizer


class _Store:
    """(kind, text) -> dense vector, sparse vector, whether it was cut, milliseconds."""

    def __init__(self, folder: Path, fingerprint: Fingerprint) -> None:
        path = make_folder(folder / "embeddings") / f"{fingerprint.digest}.sqlite"
        self._dim = fingerprint.dim
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
