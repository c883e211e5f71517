"""Search several collections as one: an index whose store holds what each of them holds.

The legs of all collections are pooled before they are fused, so a passage ranks as if one collection held everything:
cosines of one model are comparable everywhere, and BM25's terms are weighted by their rarity in all of them together
(each engine counts only its own). Joining fused scores instead would rank the best passage of a collection about
something else like the best of one that answers the question: both have the score 1.

Equal files in two collections have equal ids, so ids carry their collection here (``joined``, ``parted``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes import Index
from indexes.display import Bilingual
from indexes.encoders.base import SparseVector
from indexes.nodes.record import SentenceRecord
from indexes.store.collection import Collection
from indexes.store.engine import Leg
from indexes.store.search import HybridHit, fused_hits

BORDER = "\x1f"  # between a collection's name and an id of its own: no name holds it
Explain = Callable[[BaseException], str]


def joined(collection: str, identity: str) -> str:
    """Return an id that is unique among all collections.

    >>> parted(joined("handbook", "a.md"))
    ('handbook', 'a.md')
    """
    return f"{collection}{BORDER}{identity}"


def parted(identity: str, collection: str = "") -> tuple[str, str]:
    """Return the collection of an id, and its id there.

    >>> parted(joined("handbook", "a.md")), parted("a.md", "handbook")
    (('handbook', 'a.md'), ('handbook', 'a.md'))

    Args:
        collection: used for ids without a collection, as if a single one was searched.
    """
    name, border, own = identity.partition(BORDER)
    return (name, own) if border else (collection, identity)


class SeveralIndexes:
    """What a search needs of an ``Index``, over several of them.

    Args:
        indexes: name of a collection -> open index, all with one encoder.
        missed: name of a collection -> why it could not be opened; each search notes it.
        explain: turns a collection's error into a sentence.
    """

    def __init__(
        self, indexes: Mapping[str, Index], missed: Mapping[str, str] | None = None, explain: Explain = str
    ) -> None:
        self.indexes = dict(indexes)
        self.notes: list[str] = []
        stores = {name: index.store for name, index in self.indexes.items()}
        self.store = _SeveralCollections(stores, missed or {}, explain)

    @property
    def encoder(self) -> Any:
        """The encoder that all of them share."""
        return next(iter(self.indexes.values())).encoder


class _SeveralCollections:
    """What a search needs of a ``Collection``, over several of them; see ``SeveralIndexes``."""

    def __init__(self, stores: Mapping[str, Collection], missed: Mapping[str, str], explain: Explain) -> None:
        self._stores, self._missed, self._explain = dict(stores), dict(missed), explain
        self._record: dict[str, Any] = {}
        self._counted: dict[str, TermCounter] = {}

    # ---- searching ----

    def hybrid_search(
        self,
        dense: NDArray[np.float32] | None,
        sparse: SparseVector | None,
        *,
        limit: int,
        note: Callable[..., object] | None = None,
        stage: Callable[[str], AbstractContextManager[Any]] = nullcontext,
        **fusing: Any,
    ) -> list[HybridHit]:
        """Search all of them as ``Collection.hybrid_search`` does.

        A collection that cannot be searched is left out, with a note; if none can, the first error is raised.
        """
        failed: dict[str, Exception] = {}
        found: list[HybridHit] = []
        with stage("search"):
            asked = self._asked(sparse, failed)
            for name, terms in asked.items():
                try:
                    hits = self._stores[name].hybrid_search(dense, terms, limit=limit, note=note, **fusing)
                except Exception as error:  # noqa: BLE001 - whatever a collection raised, the others can answer
                    failed[name] = error
                    continue
                found += [_joined_hit(name, hit) for hit in hits]
        if len(failed) == len(self._stores):
            raise next(iter(failed.values()))
        if note is not None:
            for name, why in (self._missed | {name: self._explain(error) for name, error in failed.items()}).items():
                note(
                    Bilingual(
                        f"collection {name!r} was not searched, since {why}", f"没有检索集合“{name}”，原因：{why}"
                    ),
                    "left_out",
                )
        counted = None if sparse is None else len(sparse)
        with stage("fuse"):
            return pooled(found, limit, both_legs=dense is not None and bool(counted), terms=counted, **fusing)

    @property
    def takes_many(self) -> bool:
        return False

    def _asked(self, sparse: SparseVector | None, failed: dict[str, Exception]) -> dict[str, SparseVector | None]:
        """Weight the question's terms for each collection, so that its engine scores as if all were one."""
        if sparse is None or not len(sparse):
            return dict.fromkeys(self._stores, sparse)
        terms = sparse.indices.tolist()
        counts: dict[str, TermCounts | None] = {}
        for name, store in self._stores.items():
            try:
                counts[name] = self._counted.setdefault(name, TermCounter(store)).count(terms)
            except Exception as error:  # noqa: BLE001 - as above
                failed[name] = error
        counted = [one for one in counts.values() if one is not None]
        total, held = sum(one.sentences for one in counted), {t: sum(one.held[t] for one in counted) for t in terms}
        return {name: sparse if own is None else own.weighed_as(sparse, held, total) for name, own in counts.items()}

    @property
    def one_leg(self) -> str | None:
        return next((why for store in self._stores.values() if (why := store.one_leg)), None)

    # ---- reading ----

    def windows(self, records: Sequence[SentenceRecord], window: int) -> dict[str, list[SentenceRecord]]:
        """Return the windows of records, each from its own collection."""
        found: dict[str, list[SentenceRecord]] = {}
        for name, own in _by_collection(records, lambda record: record.doc_id):
            there = {_own_record(record).id: record for record in own}
            for identity, around in self._stores[name].windows([_own_record(one) for one in own], window).items():
                found[there[identity].id] = [_joined_record(name, record) for record in around]
        return found

    def dense_vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return dense vectors by id, each from its own collection."""
        return {
            joined(name, identity): vector
            for name, own in _by_collection(ids, str)
            for identity, vector in self._stores[name].dense_vectors([parted(one)[1] for one in own]).items()
        }

    def count(self) -> int:
        """Return the number of sentences in all of them."""
        return sum(store.count() for store in self._stores.values())

    def sample(self, limit: int) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
        """Sample each collection in proportion to its size."""
        sizes = {name: store.count() for name, store in self._stores.items()}
        total = max(1, sum(sizes.values()))
        parts = [self._stores[name].sample(math.ceil(limit * size / total)) for name, size in sizes.items() if size]
        payloads = [payload for one, _ in parts for payload in one]
        vectors = [rows for _, rows in parts]
        return payloads, np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32)

    def pages(self, size: int, *arguments: Any, **options: Any) -> Iterator[list[tuple[str, dict[str, Any]]]]:
        """Yield the pages of one collection after the other, without empty pages."""
        some = False
        for name, store in self._stores.items():
            for page in store.pages(size, *arguments, **options):
                if page:
                    some = True
                    yield [(joined(name, identity), payload) for identity, payload in page]
        if not some:
            yield []

    def keeps_lengths(self) -> bool:
        """Return True if one of them stores sentences with their passages."""
        return any(store.keeps_lengths() for store in self._stores.values())

    def record(self) -> dict[str, Any]:
        """Return what is remembered of them together; it is not stored."""
        return dict(self._record)

    def set_record(self, **values: Any) -> None:
        self._record.update(values)

    @property
    def engine(self) -> Any:
        return next(iter(self._stores.values())).engine


def pooled(
    found: Sequence[HybridHit],
    limit: int,
    *,
    both_legs: bool,
    terms: int | None,
    method: Any = "minmax",
    dense_weight: float = 1.0,
    sparse_weight: float = 1.0,
    rrf_k: int = 60,
    score_both: bool = True,
    long_sparse: float = 0.0,
    long_near: float = 0.0,
    **_: Any,
) -> list[HybridHit]:
    """Fuse the hits of several collections as one search over all their sentences would.

    >>> harbour = HybridHit("harbour", 1.0, {}, dense_rank=1, dense_score=0.75)  # first in its collection
    >>> fees = HybridHit("fees", 1.0, {}, dense_rank=1, dense_score=0.5)  # first in another
    >>> [(hit.id, hit.score, hit.dense_rank) for hit in pooled([fees, harbour], 10, both_legs=False, terms=None)]
    [('harbour', 0.75, 1), ('fees', 0.5, 2)]

    Args:
        both_legs: whether both legs were searched.
        terms: number of the question's terms; None if its encoder has no sparse side.
    """
    if terms is None:
        method = "dense"
    dense = _leg(found, limit, lambda hit: (hit.dense_rank, hit.dense_score))
    sparse = _leg(found, limit, lambda hit: (hit.sparse_rank, hit.sparse_score))
    hits = {hit.id: hit for hit in (*dense, *sparse)}
    if both_legs and score_both and method == "minmax":
        dense_scores = [(i, hit.dense_score) for i, hit in hits.items() if hit.dense_score is not None]
        sparse_scores = [(i, hit.sparse_score or 0.0) for i, hit in hits.items()]
    else:
        dense_scores = [(hit.id, hit.dense_score or 0.0) for hit in dense]
        sparse_scores = [(hit.id, hit.sparse_score or 0.0) for hit in sparse]
    fused = fused_hits(
        dense,
        sparse,
        (dense_scores, sparse_scores),
        terms=terms or 0,
        method=method,
        dense_weight=dense_weight,
        sparse_weight=sparse_weight,
        rrf_k=rrf_k,
        long_sparse=long_sparse,
        long_near=long_near,
    )
    dense_ranks = {hit.id: rank for rank, hit in enumerate(dense, 1)}
    sparse_ranks = {hit.id: rank for rank, hit in enumerate(sparse, 1)}
    return [
        replace(hits[i], score=score, dense_rank=dense_ranks.get(i), sparse_rank=sparse_ranks.get(i))
        for i, score in fused
    ]


def _leg(
    found: Sequence[HybridHit], limit: int, seen: Callable[[HybridHit], tuple[int | None, float | None]]
) -> list[HybridHit]:
    """Return the hits of one leg in all collections, best first."""
    own = [hit for hit in found if seen(hit)[0] is not None]
    return sorted(own, key=lambda hit: (-(seen(hit)[1] or 0.0), hit.id))[:limit]


# -- how rare terms are --------------------------------------------------------------------------------------------


def rarity(held: int, sentences: int) -> float:
    """Return Qdrant's inverse document frequency of a term that ``held`` sentences hold.

    >>> round(rarity(1, 100), 2), round(rarity(50, 100), 2)
    (4.21, 0.69)
    """
    return math.log((sentences - held + 0.5) / (held + 0.5) + 1)


@dataclass(slots=True)
class TermCounts:
    """How many sentences of a collection hold each of some terms.

    >>> question = SparseVector(np.array([7], np.uint32), np.ones(1, np.float32))
    >>> own = TermCounts(sentences=100, held={7: 50})  # half of this collection's sentences hold the term
    >>> weighed = own.weighed_as(question, {7: 50}, sentences=10_000)  # of all collections' sentences, hardly any do
    >>> round(float(weighed.values[0]), 1)
    7.6

    Args:
        sentences: number of sentences in the collection.
        held: term -> number of sentences that hold it.
    """

    sentences: int
    held: dict[int, int]

    def weighed_as(self, question: SparseVector, held: Mapping[int, int], sentences: int) -> SparseVector:
        """Return the question's terms for this collection's engine, such that after its own rarities are multiplied in,
        they have those of ``held`` among ``sentences``."""
        weights = [
            value * rarity(held[term], sentences) / rarity(self.held[term], self.sentences)
            for term, value in zip(question.indices.tolist(), question.values.tolist(), strict=True)
        ]
        return SparseVector(question.indices, np.asarray(weights, np.float32))


class TermCounter:
    """Count the sentences of a collection that hold a term, from the engine's score for the term alone.

    The engine reports no counts, but the score of a sentence for one term is the term's weight in it times its inverse
    document frequency, and the weight is stored. Counts are kept until the collection's size changes.

    >>> from types import SimpleNamespace
    >>> hits, weight = [SimpleNamespace(id="a", score=2 * rarity(5, 100))], 2.0  # 5 of 100 sentences hold term 7
    >>> engine = SimpleNamespace(query_arrays=lambda name, legs, with_payload: [hits for _ in legs])
    >>> names = {"name": "guide", "sparse_name": "sparse", "engine": engine}
    >>> reads = {"has_idf": lambda: True, "count": lambda: 100, "sparse_vectors": lambda ids: {"a": {7: weight}}}
    >>> TermCounter(SimpleNamespace(**names, **reads)).count([7])
    TermCounts(sentences=100, held={7: 5})
    """

    def __init__(self, store: Collection) -> None:
        self._store, self._weighs = store, store.has_idf()
        self._sentences, self._held = -1, dict[int, int]()

    def count(self, terms: Sequence[int]) -> TermCounts | None:
        """Count unknown terms in two calls; return None if the engine does not weight terms by rarity."""
        if not self._weighs:
            return None
        now = self._store.count()
        held = self._held if now == self._sentences else {}
        if new := [term for term in terms if term not in held]:
            held = held | self._read(new, now)
            self._sentences, self._held = now, held
        return TermCounts(now, held)

    def _read(self, terms: Sequence[int], sentences: int) -> dict[int, int]:
        store, one = self._store, np.ones(1, np.float32)
        legs = [Leg(store.sparse_name, SparseVector(np.asarray([term], np.uint32), one), 1) for term in terms]
        best = [hits[0] if hits else None for hits in store.engine.query_arrays(store.name, legs, with_payload=False)]
        stored = store.sparse_vectors(list({hit.id for hit in best if hit is not None}))
        held = dict.fromkeys(terms, 0)
        for term, hit in zip(terms, best, strict=True):
            if hit is not None and (weight := stored.get(hit.id, {}).get(term)):
                # ``rarity`` turned round
                count = round((sentences + 1) / math.exp(hit.score / weight) - 0.5)
                held[term] = min(sentences, max(1, count))
        return held


# -- ids -----------------------------------------------------------------------------------------------------------


def _joined_hit(name: str, hit: HybridHit) -> HybridHit:
    payload = hit.payload
    metadata = dict(payload.get("metadata") or {})
    metadata.setdefault("source", payload["doc_id"])
    identity = joined(name, str(payload.get("stored_id") or hit.id))
    changed = {"doc_id": joined(name, payload["doc_id"]), "stored_id": identity, "metadata": metadata}
    return replace(hit, id=identity, payload={**payload, **changed})


def _joined_record(name: str, record: SentenceRecord) -> SentenceRecord:
    metadata = {"source": record.doc_id, **record.metadata}
    return replace(record, doc_id=joined(name, record.doc_id), stored_id=joined(name, record.id), metadata=metadata)


def _own_record(record: SentenceRecord) -> SentenceRecord:
    return replace(record, doc_id=parted(record.doc_id)[1], stored_id=parted(record.id)[1])


def _by_collection(items: Iterable[Any], identity: Callable[[Any], str]) -> Iterator[tuple[str, list[Any]]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(parted(identity(item))[0], []).append(item)
    yield from found.items()
