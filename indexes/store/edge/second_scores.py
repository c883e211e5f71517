"""Score points that a leg did not find from their stored vectors, read together with the payloads.

A search filtered to these points looks each of them up once more. It is still used where the score is not a plain
product: for vectors of 8 bits. The engine does not show how it weights terms (IDF), but a search for a single term
does: the score of its first hit, divided by that point's own weight. This is kept until something is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from indexes.store.engine import Lack, Leg

FULL = (None, "float32", "float16")  # data types for which a score is a plain product
Scores = dict[str, float]
Idf = dict[tuple[str, int], float]  # of a sparse vector's name and a term's index


def is_plain(leg: Leg, description: Mapping[str, Any]) -> bool:
    """Return whether a leg's score is a product of the question's vector (weighted or not) and the stored one."""
    if leg.name in description["sparse_vectors"]:
        return True
    params = description["vectors"][leg.name]
    return params.get("datatype") in FULL and str(params["distance"]).lower() in ("cosine", "dot")


def read(
    shard: Any, ids: Sequence[str], lacks: Sequence[Lack], description: Mapping[str, Any], idf: Idf
) -> tuple[dict[str, dict[str, Any]], list[Scores | None]]:
    """Return payloads of points, and per leg the scores of the points it lacks (None: not a plain product).

    Args:
        idf: known term weights; new ones are added.
    """
    plain = [is_plain(lack.leg, description) for lack in lacks]
    wanted: dict[str, list[str]] = {identity: [] for identity in ids}
    for lack, computed in zip(lacks, plain, strict=True):
        for identity in lack.ids if computed else ():
            wanted.setdefault(identity, []).append(lack.leg.name)
    groups: dict[tuple[str, ...], list[str]] = {}
    for identity, names in wanted.items():
        groups.setdefault(tuple(names), []).append(identity)
    payloads: dict[str, dict[str, Any]] = {}
    vectors: dict[str, dict[str, Any]] = {lack.leg.name: {} for lack in lacks}
    for named, group in groups.items():
        for record in shard.retrieve(group, True, list(named) or False):
            identity = str(record.id)
            payloads[identity] = record.payload or {}
            if named:
                stored = record.vector or {}
                stored = stored if isinstance(stored, dict) else {"": stored}
                for name in named:
                    vectors[name][identity] = stored.get(name)
    return payloads, [
        _products(shard, lack.leg, vectors[lack.leg.name], description, idf) if computed else None
        for lack, computed in zip(lacks, plain, strict=True)
    ]


def _products(shard: Any, leg: Leg, stored: Mapping[str, Any], description: Mapping[str, Any], idf: Idf) -> Scores:
    there = {identity: vector for identity, vector in stored.items() if vector is not None}
    if not there:
        return {}
    if leg.name in description["sparse_vectors"]:
        weights = dict(zip(leg.vector.indices.tolist(), leg.vector.values.tolist(), strict=True))
        if description["sparse_vectors"][leg.name].get("modifier") not in (None, "none"):
            learn(shard, leg.name, weights, idf)
            weights = {term: weight * idf[leg.name, term] for term, weight in weights.items()}
        return _sparse(weights, there)
    params, question = description["vectors"][leg.name], np.asarray(leg.vector, np.float32)
    if str(params["distance"]).lower() == "cosine":  # stored vectors have length 1
        question = question / max(float(np.linalg.norm(question)), 1e-12)
    if params.get("datatype") == "float16":  # the engine rounds the question too
        question = question.astype(np.float16).astype(np.float32)
    products = np.asarray(list(there.values()), np.float32) @ question
    return dict(zip(there, products.tolist(), strict=True))


def learn(shard: Any, name: str, terms: Iterable[int], idf: Idf) -> None:
    """Add the engine's weights of terms that are not known yet; a term that no point has gets 0."""
    import qdrant_edge as qe

    new = [term for term in terms if (name, term) not in idf]
    if not new:
        return
    requests = [
        qe.QueryRequest(
            limit=1,
            query=qe.Query.Nearest(qe.SparseVector([term], [1.0]), name),
            with_payload=False,
            with_vector=[name],
        )
        for term in new
    ]
    for term, points in zip(new, shard.query_batch(qe.QueryBatchRequest(requests)), strict=True):
        idf[name, term] = 0.0
        for point in points:
            vector = point.vector[name]
            idf[name, term] = point.score / vector.values[vector.indices.index(term)]


def _sparse(weights: Mapping[int, float], stored: Mapping[str, Any]) -> Scores:
    """Return the scores; a point that shares no term with the question has none, as in a search."""
    found: Scores = {}
    for identity, vector in stored.items():
        products = [weights[i] * value for i, value in zip(vector.indices, vector.values, strict=True) if i in weights]
        if products:
            found[identity] = sum(products)
    return found
