"""The cache's files, one for each model; the key is a hash of a text and of what it is: document, question, passage."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexes.encoders.base import Encoded, Fingerprint, SparseVector
from indexes.encoders.cache.old_vectors import OldVectors
from indexes.sqlite import Database

FORMAT = 1
ENCODE_TOGETHER = 2048  # texts encoded between two writes: the most that an interrupted run loses
QUESTIONS = ("q", "q:int8")  # kinds of questions: those read with 8-bit weights are kept apart
IN_PASSAGE = "m"  # the third kind of key: a sentence read in its passage
KEPT = 0.8  # share of the limit that remains after the oldest vectors were removed

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, dense BLOB, indices BLOB, weights BLOB, cut INTEGER, ms REAL
)
"""
_COLUMNS = "key, dense, indices, weights, cut, ms"


@dataclass(slots=True)
class CacheStats:
    """Number of texts found in the cache, and of texts that the model encoded."""

    found: int = 0
    encoded: int = 0


def key_of(kind: str, text: str) -> bytes:
    """Return the cache key of a document's text (kind "d") or a question (``QUESTIONS``): 16 bytes.

    >>> key_of("d", "It rains.") == key_of("q", "It rains.")
    False
    """
    return hashlib.sha256(f"{FORMAT}{kind}{text}".encode("utf-8", "surrogatepass")).digest()[:16]


def passage_text(passage: str, start: int, end: int) -> str:
    r"""Return the text whose key stands for a sentence read in its passage (kind ``IN_PASSAGE``).

    >>> passage_text("One. Two.", 5, 9)
    '5:9\nOne. Two.'
    """
    return f"{start}:{end}\n{passage}"


def forget_encodings(folder: Path, keys: Collection[bytes] | None, *, keep: Collection[bytes] = ()) -> int:
    """Erase vectors from all files of a cache and return their number; no byte of them is left in the files.

    >>> vectors = Vectors(folder, Fingerprint("demo", "f3ab", 2, "mean"), None)
    >>> _ = vectors.encode("d", ["rain", "snow"], lambda new: Encoded(np.ones((len(new), 2), np.float32)))
    >>> vectors.close()
    >>> forget_encodings(folder, [key_of("d", "rain"), key_of("d", "hail")])
    1

    Args:
        keys: keys to erase; None: all except ``keep``.
    """
    dropped = 0
    for path in sorted(folder.glob("*.sqlite")) if folder.is_dir() else []:
        if path.name.endswith(".old.sqlite"):  # written by version 0.1.0 under other keys; can be computed anew
            Database(path, "", derived=True).remove()
            continue
        db = Database(path, _SCHEMA, vacuum="INCREMENTAL", derived=True)
        wanted: list[bytes] = list(keys) if keys is not None else []
        if keys is None:
            kept = set(keep)
            wanted = [row[0] for row in db.rows("SELECT key FROM vectors") if row[0] not in kept]
        found = [row[0] for row in db.rows_of("SELECT key FROM vectors WHERE key IN", wanted)]
        if found:
            with db.connection() as connection:
                connection.execute("PRAGMA secure_delete=ON")
            db.many("DELETE FROM vectors WHERE key = ?", [(key,) for key in found])
            with db.connection() as connection:
                connection.executescript("PRAGMA incremental_vacuum")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        dropped += len(found)
        db.close()
    return dropped


class Vectors:
    """Maps (kind, text) to dense vector, sparse vector, truncation flag, milliseconds; kept in a file or not at all.

    >>> vectors = Vectors(folder, Fingerprint("demo", "f3ab", 2, "mean"), None)
    >>> for texts in (["rain", "snow"], ["snow", "hail"]):
    ...     encoded, _ = vectors.encode("d", texts, lambda new: Encoded(np.ones((len(new), 2), np.float32)))
    >>> vectors.stats
    CacheStats(found=1, encoded=3)
    >>> vectors.close()

    Args:
        old: fingerprint under which version 0.1.0 kept these vectors, if different.
    """

    def __init__(
        self,
        folder: Path | None,
        fingerprint: Fingerprint,
        limit_mb: int | None,
        *,
        old: Fingerprint | None = None,
    ) -> None:
        self.stats = CacheStats()
        self.admit(1)
        self._dim, self._limit = fingerprint.dim, None if limit_mb is None else limit_mb << 20
        self._db: Database | None = None
        self._old: OldVectors | None = None
        if folder is not None:
            # NORMAL: a power cut may lose vectors, but never yields a wrong one.
            path = folder / f"{fingerprint.digest}.sqlite"
            self._db = Database(path, _SCHEMA, vacuum="INCREMENTAL", derived=True).open()
            before = folder / f"{(old or fingerprint).digest}.sqlite"
            if "ms" not in {row[1] for row in self._db.rows("PRAGMA table_info(vectors)")}:  # written by version 0.1.0
                self._db.close()
                before = path.replace(path.with_suffix(".old.sqlite"))
                self._db.open()
            elif before == path:
                before = path.with_suffix(".old.sqlite")
            self._old = OldVectors(before)

    def admit(self, threads: int) -> None:
        """Allow ``threads`` threads to encode at once: 1 for a local model, more for a model on a server."""
        self._places: Any = threading.RLock() if threads == 1 else threading.BoundedSemaphore(threads)

    @property
    def path(self) -> Path | None:
        return None if self._db is None else self._db.path

    def encode(self, kind: str, texts: Sequence[str], compute: Callable[[list[str]], Encoded]) -> tuple[Encoded, float]:
        """Return the vectors of ``texts`` in order, and the milliseconds that encoding them took at first.

        Args:
            kind: "d" for documents, one of ``QUESTIONS`` for questions (models prepend different prompts).
            compute: encodes the texts that are not in the cache; each is passed once.
        """
        keys = [key_of(kind, text) for text in texts]
        found = self._get(keys)
        if self._old is not None and kind == "d":
            unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
            moved = self._old.get(unknown, 4 * self._dim)
            self._keep([(key, *values) for key, values in moved.items()])
            found.update(moved)
        missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in found}.items())
        self.stats.found += len(texts) - len(missing)
        self.stats.encoded += len(missing)
        for start in range(0, len(missing), ENCODE_TOGETHER):
            part = missing[start : start + ENCODE_TOGETHER]
            started = time.perf_counter()
            with self._places:
                encoded = compute([text for _, text in part])
            each = (time.perf_counter() - started) * 1000 / len(part)
            found.update(self._put([key for key, _ in part], encoded, each))
        dense = np.empty((len(texts), self._dim), np.float32)
        sparse: list[SparseVector] = []
        cut, spent = [], 0.0
        for row, key in enumerate(keys):
            vector, indices, weights, was_cut, milliseconds = found[key]
            dense[row] = np.frombuffer(vector, "<f4")
            if indices is not None:
                sparse.append(SparseVector(np.frombuffer(indices, "<u4"), np.frombuffer(weights, "<f4")))
            if was_cut:
                cut.append(row)
            spent += milliseconds
        return Encoded(dense, sparse if len(sparse) == len(texts) and sparse else None, tuple(cut)), spent

    def _get(self, keys: list[bytes]) -> dict[bytes, tuple[Any, ...]]:
        if self._db is None:
            return {}
        size = 4 * self._dim
        rows = self._db.rows_of(f"SELECT {_COLUMNS} FROM vectors WHERE key IN", keys)  # noqa: S608
        return {row[0]: row[1:] for row in rows if len(row[1]) == size}

    def _put(self, keys: list[bytes], encoded: Encoded, each_ms: float) -> dict[bytes, tuple[Any, ...]]:
        cut = set(encoded.truncated)
        rows = []
        for row, key in enumerate(keys):
            sparse = encoded.sparse[row] if encoded.sparse is not None else None
            rows.append(
                (
                    key,
                    encoded.dense[row].astype("<f4").tobytes(),
                    sparse.indices.astype("<u4").tobytes() if sparse is not None else None,
                    sparse.values.astype("<f4").tobytes() if sparse is not None else None,
                    int(row in cut),
                    each_ms,
                )
            )
        self._keep(rows)
        return {row[0]: row[1:] for row in rows}

    def _keep(self, rows: list[tuple[Any, ...]]) -> None:
        if self._db is not None:
            self._db.many(f"INSERT OR REPLACE INTO vectors ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608

    def close(self) -> None:
        if self._old is not None:
            self._old.close()
        if self._db is None or not self._db.is_open:
            return
        if self._limit is not None:
            size = self._db.rows("PRAGMA page_count")[0][0] * self._db.rows("PRAGMA page_size")[0][0]
            if size > self._limit:
                surplus = int(self._db.rows("SELECT count(*) FROM vectors")[0][0] * (1 - KEPT * self._limit / size))
                with self._db.connection() as db:
                    oldest = "SELECT rowid FROM vectors ORDER BY rowid LIMIT ?"
                    db.execute(f"DELETE FROM vectors WHERE rowid IN ({oldest})", (surplus,))  # noqa: S608
                    db.executescript("PRAGMA incremental_vacuum")  # execute() would free only one page
        self._db.close()
