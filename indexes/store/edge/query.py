"""Queries of the embedded engine's adapter, and its description of a collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from indexes.errors import StoreError
from indexes.registry import later
from indexes.store import models
from indexes.store.checks import check_dense, check_sparse
from indexes.store.edge import convert
from indexes.store.edge.filters import filter_
from indexes.store.engine import Hit, Leg

if TYPE_CHECKING:
    import numpy as np
else:
    np = later("numpy")

PAGE = 500  # points per call: the engine holds the GIL during one
Schema = tuple[dict[str, int], set[str]]  # dense names with their dimensions; sparse names


def unknown_vector(name: str, there: Sequence[str]) -> StoreError:
    """Return the error for a vector name that the collection lacks.

    >>> unknown_vector("colbert", ["dense", "sparse"]).what
    "the collection has no vector named 'colbert' (there: 'dense', 'sparse')"
    """
    return StoreError(
        f"the collection has no vector named {name!r} (there: {', '.join(map(repr, there))})",
        remedy="use one of these names, or build the collection with that vector",
    )


def checked_vectors(vectors: Sequence[Any], dims: dict[str, int], sparse_names: set[str]) -> list[Any]:
    """Check names, dimensions and values of PointStructs' vectors, and translate them for the engine.

    >>> checked_vectors([{"dense": [1.0, 0.0]}, {"dense": np.array([0.0, 1.0])}], {"dense": 2}, {"sparse"})
    [{'dense': [1.0, 0.0]}, {'dense': [0.0, 1.0]}]
    >>> checked_vectors([{"dense": [1.0, 0.0, 0.0]}], {"dense": 2}, {"sparse"})
    Traceback (most recent call last):
        ...
    indexes.errors.StoreError: the collection's vector 'dense' has 2 dimensions, and a vector of 3 was given; encode
    with the model the collection was built with
    """
    dense_columns: dict[str, list[Any]] = {name: [] for name in dims}
    sparse_columns: dict[str, list[Any]] = {name: [] for name in sparse_names}
    made: list[Any] = []
    for vector in vectors:
        named = vector if isinstance(vector, dict) else {"": vector}
        point: dict[str, Any] = {}
        for name, item in named.items():
            if name in dims:
                row = np.asarray(item, dtype=np.float32)
                if row.ndim != 1:
                    raise StoreError(f"vector {name!r} is a matrix", remedy="give one vector of numbers per point")
                check_dense(row[None], dim=dims[name], name=name)
                dense_columns[name].append(row)
                point[name] = row.tolist()
            elif name in sparse_names:
                sparse_columns[name].append(item)
                check_sparse([item], name=name, sorted_=False)
                point[name] = convert.sparse(item)
            else:
                raise unknown_vector(name, [*dims, *sparse_names])
        made.append(point if set(point) != {""} else point[""])
    return made


def _check_query(query: Any, using: str | None, schema: Schema) -> None:
    """Check name, dimension and values: the engine answers NaN with nonsense, other faults with cryptic messages."""
    dims, sparse_names = schema
    name = using or ""
    if models.is_a(query, "NearestQuery"):
        query = query.nearest
    if query is None:
        return
    if name not in dims and name not in sparse_names:
        raise unknown_vector(name, [*dims, *sparse_names])
    if name in sparse_names:
        if not hasattr(query, "indices"):
            raise StoreError(f"vector {name!r} is sparse", remedy="search it with a sparse vector")
        check_sparse([query], name=name, sorted_=False)
    elif isinstance(query, (list, tuple, np.ndarray)):
        check_dense(np.asarray(query, dtype=np.float32)[None], dim=dims[name], name=name)


def run_batch(shard: Any, requests: Sequence[models.QueryRequest], schema: Schema) -> list[models.QueryResponse]:
    """Run all requests as one batch; equal scores are ordered by id, as the engine's order of ties is random."""
    import qdrant_edge as qe

    native = [_native(request, schema) for request in requests]
    answers = [
        [convert.scored_out(point) for point in points] for points in shard.query_batch(qe.QueryBatchRequest(native))
    ]
    for request, points in zip(requests, answers, strict=True):
        if request.query is not None:
            points.sort(key=lambda point: (-point.score, str(point.id)))
    return [models.QueryResponse(points=points) for points in answers]


def _native(request: models.QueryRequest, schema: Schema) -> Any:
    import qdrant_edge as qe

    refused = [name for name in ("prefetch", "lookup_from") if getattr(request, name, None) is not None]
    if refused or models.is_a(request.query, "OrderByQuery", "FusionQuery", "RrfQuery"):
        what = refused[0] if refused else type(request.query).__name__
        raise NotImplementedError(f"the embedded engine's adapter has no {what}")
    _check_query(request.query, request.using, schema)
    return qe.QueryRequest(
        limit=request.limit if request.limit is not None else 10,
        offset=request.offset,
        query=convert.query(request.query, request.using),
        with_vector=convert.with_vectors(request.with_vector),
        with_payload=convert.with_payload(request.with_payload),
        filter=filter_(request.filter),
        score_threshold=request.score_threshold,
        params=convert.search_params(request.params),
    )


def run_arrays(shard: Any, legs: Sequence[Leg], schema: Schema) -> list[list[Hit]]:
    """Search all legs as one batch, without payloads."""
    import qdrant_edge as qe

    native = []
    for leg in legs:
        _check_query(leg.vector, leg.name, schema)
        native.append(
            qe.QueryRequest(
                limit=leg.limit,
                query=convert.query(leg.vector, leg.name),
                with_payload=False,
                with_vector=False,
                filter=filter_(leg.filters),
                params=_how(leg),
            )
        )
    answers = shard.query_batch(qe.QueryBatchRequest(native))
    return [[Hit(str(point.id), point.score) for point in points] for points in answers]


def _how(leg: Leg) -> Any:
    import qdrant_edge as qe

    if leg.ef is None and not leg.exact:
        return None
    through = leg.filters is not None and not leg.exact
    # ACORN also follows links of sentences that the filter excludes; without it a search soon finds no way on
    acorn = qe.AcornSearchParams(enable=True, max_selectivity=1.0) if through else None
    return qe.SearchParams(hnsw_ef=leg.ef, exact=leg.exact, indexed_only=False, acorn=acorn)


def pages(shard: Any, chosen: Any = None, *, whole: bool = True) -> Iterator[list[Any]]:
    """Yield pages of a shard's points, or of those that a filter selects. Errors of the engine are passed on.

    >>> from types import SimpleNamespace
    >>> answers = iter([(["a", "b"], 2), (["c"], None)])
    >>> list(pages(SimpleNamespace(scroll=lambda request: next(answers))))
    [['a', 'b'], ['c']]

    Args:
        whole: with payloads and vectors; False: only the ids.
    """
    import qdrant_edge as qe

    offset: Any = None
    while True:
        request = qe.ScrollRequest(offset=offset, limit=PAGE, filter=chosen, with_payload=whole, with_vector=whole)
        records, offset = shard.scroll(request)
        yield records
        if offset is None:
            return


def collection_info(description: dict[str, Any], info: Any) -> models.CollectionInfo:
    """Return a collection's description as Qdrant's ``get_collection`` reports it.

    >>> from types import SimpleNamespace
    >>> description = {"vectors": {"dense": {"size": 2, "distance": "Cosine"}}, "sparse_vectors": {}}
    >>> description |= {"single": False, "metadata": {}}
    >>> info = SimpleNamespace(indexed_vectors_count=0, points_count=3, segments_count=1, payload_schema={})
    >>> found = collection_info(description, info)
    >>> found.points_count, found.config.params.vectors["dense"].size
    (3, 2)
    """
    vectors: Any = {name: models.VectorParams(**params) for name, params in description["vectors"].items()}
    if description["single"]:
        vectors = vectors[""]
    sparse = {name: models.SparseVectorParams(**params) for name, params in description["sparse_vectors"].items()}
    return models.CollectionInfo(
        status=models.CollectionStatus.GREEN,
        optimizer_status=models.OptimizersStatusOneOf.OK,
        indexed_vectors_count=info.indexed_vectors_count,
        points_count=info.points_count,
        segments_count=info.segments_count,
        config=models.CollectionConfig(
            params=models.CollectionParams(vectors=vectors, sparse_vectors=sparse or None),
            hnsw_config=models.HnswConfig(m=16, ef_construct=100, full_scan_threshold=10000),
            optimizer_config=models.OptimizersConfig(
                deleted_threshold=0.2, vacuum_min_vector_number=1000, default_segment_number=0, flush_interval_sec=5
            ),
            metadata=description["metadata"] or None,
        ),
        payload_schema={
            name: models.PayloadIndexInfo(data_type=str(item.data_type).rsplit(".", 1)[-1].lower(), points=item.points)
            for name, item in info.payload_schema.items()
        },
    )
