"""Encoding cache of ingestion and evaluation: a text that a model encoded before is not encoded again.

The key is a hash of the text and of whether it is a question; there is one file for each model. Vectors are kept as
the float32 they were and come back bit for bit, with the milliseconds that their encoding took, so that a run served
from the cache still reports what a question costs. The collection itself could not serve: it holds the vectors
normalised (or quantised) by the engine, its sparse side is pooled over windows already, and what a killed run had
encoded is not in it yet.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from indexes.encoders.base import CountsTokens, DenseModel, Encoded, Encoder, Fingerprint, Lexical, Spans, SparseVector
from indexes.encoders.paired import PairedEncoder, read_passages, read_twice, sentences_of
from indexes.encoders.vectors import estimated_tokens
from indexes.sqlite import Database

FORMAT = 1
ENCODE_TOGETHER = 2048  # texts encoded before they are written: what an interrupted run loses at most
IN_PASSAGE = "p"  # a third kind of key: a sentence read in its passage
KEPT = 0.8  # of the limit, after the oldest were removed

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, dense BLOB, indices BLOB, weights BLOB, cut INTEGER, ms REAL
)
"""
_COLUMNS = "key, dense, indices, weights, cut, ms"


@dataclass(slots=True)
class CacheStats:
    """Texts that were found in the cache, and those that the model encoded."""

    found: int = 0
    encoded: int = 0


def cached(encoder: Encoder, folder: Path | None, *, limit_mb: int | None = None) -> CachedEncoder | CachedPaired:
    """Put the cache before an encoder; one that has it already is returned as it is.

    Args:
        folder: where the file lies, named by what makes vectors comparable; None: nothing is kept. Of a dense model
            with BM25 beside it only the dense side is kept: BM25 costs nothing, and its parameters change no vector.
        limit_mb: when it is closed and larger, the vectors that were stored first are removed; 0: nothing is kept;
            None: it grows, and nothing is ever removed under an evaluation that reads it.
    """
    if isinstance(encoder, (CachedEncoder, CachedPaired)):
        return encoder
    folder = None if limit_mb == 0 else folder
    if isinstance(encoder, PairedEncoder):
        return CachedPaired(encoder, folder, limit_mb)
    return CachedEncoder(encoder, folder, limit_mb)


def key_of(kind: str, text: str) -> bytes:
    """The key of a text ("d") or a question ("q") in every file of the cache."""
    return hashlib.sha256(f"{FORMAT}{kind}{text}".encode("utf-8", "surrogatepass")).digest()[:16]


def passage_text(passage: str, start: int, end: int) -> str:
    """What a sentence that was read in its passage is kept under (kind ``IN_PASSAGE``)."""
    return f"{start}:{end}\n{passage}"


def forget_encodings(folder: Path, keys: Collection[bytes] | None, *, keep: Collection[bytes] = ()) -> int:
    """Drop vectors from all files of a cache, and return how many; no byte of them stays in the files.

    Args:
        keys: which; None: all but ``keep``.
    """
    dropped = 0
    for path in sorted(folder.glob("*.sqlite")) if folder.is_dir() else []:
        if path.name.endswith(".old.sqlite"):  # of version 0.1.0, by other keys: it is derived
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


class _Cached:
    """What both kinds of cached encoders have. ``last_query_ms`` is the time that the last question's encoding took
    when it was first done."""

    last_query_ms = 0.0
    vectors: Vectors

    @property
    def stats(self) -> CacheStats:
        return self.vectors.stats

    def close(self) -> None:
        """Remove the oldest vectors if there are too many, and close the file; it opens again at the next use."""
        self.vectors.close()


class CachedEncoder(_Cached):
    """For models whose one forward pass gives both sides, or one."""

    def __init__(self, encoder: Encoder, folder: Path | None, limit_mb: int | None) -> None:
        self._inner = encoder
        self.fingerprint = encoder.fingerprint
        self.vectors = Vectors(folder, self.fingerprint, limit_mb)
        self.parallel = 1

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

    def encode_documents(self, texts: Sequence[str], lexical_texts: Sequence[str] | None = None) -> Encoded:
        """As ``Encoder.encode_documents``. The sparse side comes from the pass that reads ``texts``."""
        return self.vectors.encode("d", texts, self._inner.encode_documents)[0]

    def dense_documents(self, texts: Sequence[str]) -> Encoded:
        """The dense side alone."""
        return replace(self.encode_documents(texts), sparse=None)

    def encode_passages(self, passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
        """As ``ReadsPassages.encode_passages``, in two requests: sentences and passages are kept as texts."""
        return read_twice(self.encode_documents, passages, spans)

    def lexical_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """The sparse side alone; here it takes the model's pass."""
        return (self.encode_documents(texts).sparse or []) if texts else []

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        encoded, self.last_query_ms = self.vectors.encode("q", texts, self._inner.encode_queries)
        return encoded


class CachedPaired(_Cached, PairedEncoder):
    """A dense model from the cache, its lexical side beside it: still a ``PairedEncoder``, as the pipeline knows it."""

    def __init__(self, encoder: PairedEncoder, folder: Path | None, limit_mb: int | None) -> None:
        dense_only = replace(encoder.fingerprint, sparse="none")
        first = encoder.lexical.parameters_under(1) if encoder.lexical else "none"
        self.vectors = Vectors(folder, dense_only, limit_mb, old=replace(encoder.fingerprint, sparse=first))
        keep = getattr(encoder.lexical, "kept_in", None)  # of a lexical side that runs a network of its own
        lexical = encoder.lexical if keep is None else keep(lambda own: Vectors(folder, own, limit_mb))
        super().__init__(_CachedModel(encoder.dense, self.vectors, dense_only), lexical)
        self.vectors.admit(self.parallel)

    def close(self) -> None:
        super().close()
        close = getattr(self.lexical, "close", None)
        if close is not None:
            close()

    def dense_documents(self, texts: Sequence[str]) -> Encoded:
        """The dense side alone."""
        return self.dense.embed(texts, query=False)

    def encode_passages(self, passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
        """As ``ReadsPassages.encode_passages``. A sentence read in its passage is kept under both."""
        if getattr(self.dense, "token_states", None) is None:
            return super().encode_passages(passages, spans)
        places = {
            passage_text(passage, start, end): (number, place)
            for number, (passage, parts) in enumerate(zip(passages, spans, strict=True))
            for place, (start, end) in enumerate(parts)
        }

        def read(missing: list[str]) -> Encoded:
            wanted: dict[int, list[int]] = {}
            for text in missing:
                number, place = places[text]
                wanted.setdefault(number, []).append(place)
            parts = [[spans[number][place] for place in chosen] for number, chosen in wanted.items()]
            return read_passages(self.dense, [passages[number] for number in wanted], parts)

        named = [passage_text(passage, *span) for passage, parts in zip(passages, spans, strict=True) for span in parts]
        encoded, _ = self.vectors.encode(IN_PASSAGE, named, read)
        sparse = self.lexical.encode_documents(sentences_of(passages, spans)) if self.lexical else None
        return replace(encoded, sparse=sparse)

    def lexical_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """The sparse side alone, without the model."""
        return self.lexical.encode_documents(texts) if self.lexical else []

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

    def __init__(self, model: DenseModel, vectors: Vectors, fingerprint: Fingerprint) -> None:
        self._inner, self._vectors = model, vectors
        self.model, self.weights, self.dim = fingerprint.model, fingerprint.weights, fingerprint.dim
        self.pooling, self.prompts = fingerprint.pooling, fingerprint.prompts
        self.last_query_ms = 0.0

    @property
    def max_tokens(self) -> int:
        return self._inner.max_tokens

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        encoded, spent = self._vectors.encode(
            "q" if query else "d", texts, lambda missing: self._inner.embed(missing, query=query)
        )
        if query:
            self.last_query_ms = spent
        return encoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # a model's own extras, such as its tokenizer


class _OldVectors:
    """The file in which version 0.1.0 kept the vectors of documents: read until nothing of it is asked for any more."""

    def __init__(self, path: Path) -> None:
        self._db: Database | None = Database(path, "", derived=True) if path.is_file() else None
        self._served = 0

    def get(self, texts: dict[bytes, str], size: int) -> dict[bytes, tuple[Any, ...]]:
        """Today's key -> (dense, indices, weights, cut, milliseconds) of the texts that it holds.

        Args:
            texts: today's key -> text.
            size: bytes of a dense vector.
        """
        if self._db is None or not texts:
            return {}
        keys = {
            hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(): key
            for key, text in texts.items()
        }
        found = {}
        for old, dense, sparse, cut in self._db.rows_of(
            "SELECT key, dense, sparse, truncated FROM vectors WHERE key IN", keys
        ):
            if len(dense) == size:
                # One vector's blob: its length, its indices, its values, four bytes each.
                middle = 4 + (len(sparse) - 4) // 2 if sparse is not None else 0
                indices, weights = (sparse[4:middle], sparse[middle:]) if sparse is not None else (None, None)
                found[keys[old]] = (dense, indices, weights, cut, 0.0)
        self._served += len(found)
        return found

    def close(self) -> None:
        """Let go of it; what no run asks for any more is deleted."""
        if self._db is None:
            return
        if self._served == 0:
            self._db.remove()
            self._db = None
        else:
            self._db.close()
        self._served = 0


class Vectors:
    """(kind, text) -> dense vector, sparse vector, whether it was cut, milliseconds; in a file, or nowhere.

    Args:
        old: fingerprint under which version 0.1.0 kept these vectors, if it is another.
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
        self._old: _OldVectors | None = None
        if folder is not None:
            # NORMAL: a power cut may cost some of it, never a wrong vector.
            path = folder / f"{fingerprint.digest}.sqlite"
            self._db = Database(path, _SCHEMA, vacuum="INCREMENTAL", derived=True).open()
            before = folder / f"{(old or fingerprint).digest}.sqlite"
            if "ms" not in {row[1] for row in self._db.rows("PRAGMA table_info(vectors)")}:  # of version 0.1.0
                self._db.close()
                before = path.replace(path.with_suffix(".old.sqlite"))
                self._db.open()
            elif before == path:
                before = path.with_suffix(".old.sqlite")
            self._old = _OldVectors(before)

    def admit(self, threads: int) -> None:
        """Let so many threads compute at once: a tokenizer and its network serve one, a server's model several."""
        self._places: Any = threading.RLock() if threads == 1 else threading.BoundedSemaphore(threads)

    @property
    def path(self) -> Path | None:
        return None if self._db is None else self._db.path

    def encode(self, kind: str, texts: Sequence[str], compute: Callable[[list[str]], Encoded]) -> tuple[Encoded, float]:
        """The vectors of ``texts`` in order, and the milliseconds they took when they were made.

        Args:
            kind: "d" for documents, "q" for questions: models put different prompts before them.
            compute: encodes the texts that are not known; none is given twice.
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
                    db.executescript("PRAGMA incremental_vacuum")  # execute() would free one page only
        self._db.close()
