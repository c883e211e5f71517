"""Small collections for the store's tests: real engines, made-up vectors."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from qdrant_client.http import models

from indexes.encoders.base import Encoded, Fingerprint, SparseVector
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import StoreSettings
from indexes.store.client import as_engine
from indexes.store.collection import Collection
from indexes.store.search import HybridHit

DIM = 8


class FakeLexical:
    """Term weights of a window: the maximum, as a learned head's."""

    name = "learned"
    idf = False
    neighbours = 1.0

    def pool(self, window: Sequence[SparseVector], weights: Sequence[float] | None = None) -> SparseVector:
        best: dict[int, float] = {}
        for vector, weight in zip(window, weights or [1.0] * len(window), strict=True):
            for index, value in zip(vector.indices.tolist(), vector.values.tolist(), strict=True):
                best[index] = max(best.get(index, 0.0), weight * value)
        keys = sorted(best)
        return SparseVector(np.array(keys, np.uint32), np.array([best[key] for key in keys], np.float32))


class FakeEncoder:
    """Hashed characters and words: cheap vectors that are near for texts that share words. No model."""

    dim = 32
    max_tokens = 512
    lexical = FakeLexical()
    fingerprint = Fingerprint("fake", "1", 32, "mean", {}, "learned")

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        dense = np.zeros((len(texts), self.dim), np.float32)
        sparse = []
        for row, text in enumerate(texts):
            terms: dict[int, float] = {}
            for word in re.findall(r"[a-z]+|[一-鿿]", text.lower()):
                code = zlib.crc32(word.encode())
                dense[row, code % self.dim] += 1.0
                terms[code] = terms.get(code, 0.0) + 1.0
            keys = sorted(terms)
            sparse.append(SparseVector(np.array(keys, np.uint32), np.array([terms[k] for k in keys], np.float32)))
        return Encoded(dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-9), sparse)

    encode_queries = encode_documents


def fingerprint(**changes: Any) -> Fingerprint:
    values: dict[str, Any] = {
        "model": "tiny",
        "weights": "abc",
        "dim": DIM,
        "pooling": "cls",
        "prompts": {"query": "", "document": ""},
        "sparse": "learned",
    }
    return Fingerprint(**{**values, **changes})


def unit(rng: np.random.Generator, n: int, dim: int = DIM) -> np.ndarray:
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sparse_rows(rng: np.random.Generator, n: int, terms: int = 6, vocabulary: int = 40) -> list[SparseVector]:
    rows = []
    for _ in range(n):
        indices = np.sort(rng.choice(vocabulary, size=terms, replace=False)).astype(np.uint32)
        rows.append(SparseVector(indices, rng.uniform(0.1, 2.0, terms).astype(np.float32)))
    return rows


def make_records(
    doc_id: str, texts: Sequence[str], sections: Sequence[int] | None = None, **metadata: Any
) -> list[SentenceRecord]:
    return [
        SentenceRecord(
            doc_id=doc_id,
            position=i,
            text=text,
            section=sections[i] if sections else 0,
            metadata={"source": f"{doc_id}.md", "title": doc_id.title(), **metadata},
        )
        for i, text in enumerate(texts)
    ]


def on(client: Any, name: str) -> Collection:
    """The collection of a client or engine."""
    return Collection(as_engine(client), name)


def legs(
    store: Collection, dense: Any, sparse: Any, limit: int = 10, **options: Any
) -> tuple[list[HybridHit], list[HybridHit]]:
    """What each leg found, best first."""
    hits = store.hybrid_search(dense, sparse, limit=limit, method="rrf", **options)
    of_dense = [hit for hit in hits if hit.dense_rank is not None]
    of_sparse = [hit for hit in hits if hit.sparse_rank is not None]
    return sorted(of_dense, key=lambda hit: hit.dense_rank or 0), sorted(
        of_sparse, key=lambda hit: hit.sparse_rank or 0
    )


def fill(client: Any, name: str, records: Sequence[SentenceRecord], *, seed: int = 0, idf: bool = False) -> None:
    """Create the collection if need be and store the records with random vectors."""
    rng = np.random.default_rng(seed)
    store = on(client, name)
    store.ensure(fingerprint(), idf=idf, settings=StoreSettings(min_free_mb=1))
    store.put(records, unit(rng, len(records)), sparse_rows(rng, len(records)))


def point_struct(identity: Any, dense: Sequence[float], payload: dict[str, Any] | None = None) -> models.PointStruct:
    return models.PointStruct(id=identity, vector={"dense": list(dense)}, payload=payload or {})
