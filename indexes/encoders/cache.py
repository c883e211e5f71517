"""Encoding cache: the vectors of texts that were encoded before, so that a changed file costs its changed sentences.

The key is a hash of the text that the encoder gets; there is one file for each encoder fingerprint, shared by the
collections of a store. Vectors are kept as the float32 they were and come back bit for bit. The collection itself
could not serve: it holds the vectors normalised (or quantised) by the engine, its sparse side is pooled over windows
already, and what a killed run had encoded is not in it yet.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded, Encoder, SparseVector
from indexes.encoders.paired import PairedEncoder
from indexes.encoders.vectors import pack_sparse, unpack_sparse
from indexes.sqlite import sqlite_errors

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, dense BLOB NOT NULL, sparse BLOB, truncated INTEGER NOT NULL
)
"""
LOOKUP = 500  # keys in one query
KEPT = 0.8  # of the limit, after the oldest were removed


@dataclass(slots=True)
class CacheStats:
    """Texts of a run that were found, and those that the model encoded."""

    found: int = 0
    encoded: int = 0


class EncodingCache:
    """Encodes through an encoder and remembers.

    Args:
        folder: where the file lies, named by the encoder's digest; None: nothing is kept between runs.
        limit_mb: when the file is larger, the vectors that were stored first are removed; 0: nothing is kept.
    """

    def __init__(self, encoder: Encoder, folder: Path | None, *, limit_mb: int = 4096) -> None:
        self._encoder = encoder
        self._paired = isinstance(encoder, PairedEncoder)
        self._limit = limit_mb << 20
        self._mutex = threading.Lock()
        self.stats = CacheStats()
        self.path: Path | None = None
        self._db: sqlite3.Connection | None = None
        if folder is not None and limit_mb:
            folder.mkdir(parents=True, exist_ok=True)
            self.path = folder / f"{encoder.fingerprint.digest}.sqlite"
            with sqlite_errors(self.path):
                db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30)
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=NORMAL")  # a power cut may cost some of it, never a wrong vector
                db.execute(_SCHEMA)
                self._db = db

    def encode(self, texts: Sequence[str], lexical_texts: Sequence[str] | None = None) -> Encoded:
        """As ``Encoder.encode_documents``; texts met before, or twice, are not encoded again.

        Args:
            texts: what the dense side reads.
            lexical_texts: what BM25 counts, where that differs (contextual headings). A learned sparse side comes from
                the same forward pass as the dense one and reads ``texts``.
        """
        keys = [_key(text) for text in texts]
        known = self._look_up(keys)
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        self.stats.found += len(texts) - len(fresh)
        self.stats.encoded += len(fresh)
        if fresh:
            new = self._rows(list(fresh), self._model(list(fresh.values())))
            self._store(new)
            known |= new
        dense = np.empty((len(texts), self._encoder.dim), np.float32)
        sparse: list[SparseVector] = []
        truncated = []
        for row, key in enumerate(keys):
            vector, terms, cut = known[key]
            dense[row] = vector
            if terms is not None:
                sparse.append(terms)
            if cut:
                truncated.append(row)
        counted = self._counts(lexical_texts if lexical_texts is not None else texts)
        if counted is None and len(sparse) == len(texts) and self._encoder.lexical is not None:
            counted = sparse
        return Encoded(dense, counted, tuple(truncated))

    def _model(self, texts: list[str]) -> Encoded:
        if isinstance(self._encoder, PairedEncoder):
            return self._encoder.dense.embed(texts, query=False)
        return self._encoder.encode_documents(texts)

    def _counts(self, texts: Sequence[str]) -> list[SparseVector] | None:
        """BM25 counts are cheaper to make than to keep."""
        if isinstance(self._encoder, PairedEncoder) and self._encoder.lexical is not None:
            return self._encoder.lexical.encode_documents(texts)
        return None

    def _rows(
        self, keys: list[bytes], encoded: Encoded
    ) -> dict[bytes, tuple[NDArray[np.float32], SparseVector | None, bool]]:
        cut = set(encoded.truncated)
        sparse = encoded.sparse if not self._paired else None
        return {
            key: (encoded.dense[row], sparse[row] if sparse is not None else None, row in cut)
            for row, key in enumerate(keys)
        }

    def _look_up(self, keys: list[bytes]) -> dict[bytes, tuple[NDArray[np.float32], SparseVector | None, bool]]:
        if self._db is None:
            return {}
        found = {}
        wanted = list(dict.fromkeys(keys))
        size = 4 * self._encoder.dim
        with self._mutex, sqlite_errors(self.path):
            for start in range(0, len(wanted), LOOKUP):
                part = wanted[start : start + LOOKUP]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, dense, sparse, truncated FROM vectors WHERE key IN ({marks})"  # noqa: S608
                for key, dense, sparse, cut in self._db.execute(query, part):
                    if len(dense) == size:
                        found[key] = (
                            np.frombuffer(dense, "<f4"),
                            None if sparse is None else unpack_sparse(sparse, 1)[0],
                            bool(cut),
                        )
        return found

    def _store(self, rows: dict[bytes, tuple[NDArray[np.float32], SparseVector | None, bool]]) -> None:
        if self._db is None:
            return
        values = [
            (key, dense.astype("<f4").tobytes(), None if sparse is None else pack_sparse([sparse]), int(cut))
            for key, (dense, sparse, cut) in rows.items()
        ]
        with self._mutex, sqlite_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", values)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Remove the oldest where the file has grown beyond its limit, and let go of it."""
        if self._db is None:
            return
        with self._mutex, sqlite_errors(self.path), closing(self._db) as db:
            self._db = None
            pages, page = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            if pages * page > self._limit:
                rows = db.execute("SELECT count(*) FROM vectors").fetchone()[0]
                surplus = int(rows * (1 - KEPT * self._limit / (pages * page)))
                db.execute(
                    "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY rowid LIMIT ?)", (surplus,)
                )
                db.executescript("PRAGMA incremental_vacuum")  # execute() would free one page only


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
