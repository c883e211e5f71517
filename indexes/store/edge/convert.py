"""Translate types of ``qdrant_client`` to types of ``qdrant_edge`` and back: queries, vectors, points, schema.

Covered is what RagWright and LlamaIndex's Qdrant store use; anything else raises ``NotImplementedError`` with its name.
``qdrant_edge`` is imported inside the functions, so importing this module is cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from indexes.registry import later
from indexes.store import models
from indexes.store.edge.filters import filter_
from indexes.store.edge.ids import PointId, from_edge_id, to_edge_id
from indexes.store.edge.packing import SEGMENTS
from indexes.store.models.graph import Wanted
from indexes.store.payload import plain_json

if TYPE_CHECKING:
    import numpy as np
else:
    np = later("numpy")

SCAN_KB = 10_000  # the engine's default
BYTES = {"float32": 4, "float16": 2, "uint8": 1, "turbo8": 1, "turbo16": 2}  # per value


def to_edge_payload(payload: dict[str, Any] | None) -> dict[str, Any]:
    """Return a payload as plain JSON values; {} for None.

    >>> to_edge_payload({"text": "It rains.", "tags": ("rain", "tea")}), to_edge_payload(None)
    ({'text': 'It rains.', 'tags': ['rain', 'tea']}, {})
    """
    return plain_json(payload) if payload else {}


def with_payload(value: Any) -> Any:
    """Translate ``with_payload``: a bool, a list of keys, or an include/exclude selector.

    >>> with_payload(None), with_payload(("text", "doc_id"))
    (False, ['text', 'doc_id'])
    """
    import qdrant_edge as qe

    if value is None or isinstance(value, bool):
        return bool(value)
    if models.is_a(value, "PayloadSelectorInclude"):
        return qe.PayloadSelector.Include(list(value.include))
    if models.is_a(value, "PayloadSelectorExclude"):
        return qe.PayloadSelector.Exclude(list(value.exclude))
    return list(value)


def with_vectors(value: Any) -> Any:
    """Translate ``with_vectors``: a bool or a list of vector names.

    >>> with_vectors(None), with_vectors(("dense",))
    (False, ['dense'])
    """
    return bool(value) if value is None or isinstance(value, bool) else list(value)


def vector_out(vector: Any) -> Any:
    """Translate a vector of the engine, or a dict of named ones, to our types.

    >>> from types import SimpleNamespace
    >>> vector_out({"dense": [1.0, 0.0], "sparse": SimpleNamespace(indices=(3, 8), values=(0.5, 1.0))})
    {'dense': [1.0, 0.0], 'sparse': SparseVector(indices=[3, 8], values=[0.5, 1.0])}
    """
    if isinstance(vector, dict):
        return {name: vector_out(item) for name, item in vector.items()}
    if hasattr(vector, "indices"):
        return models.SparseVector(indices=list(vector.indices), values=list(vector.values))
    return vector


def record_out(record: Any) -> models.Record:
    """Translate a record of the engine to ours.

    >>> from types import SimpleNamespace
    >>> record_out(SimpleNamespace(id=7, payload={"text": "It rains."}, vector=None, order_value=None)).payload
    {'text': 'It rains.'}
    """
    return models.Record(
        id=from_edge_id(record.id),
        payload=record.payload,
        vector=vector_out(record.vector),
        shard_key=None,
        order_value=record.order_value,
    )


def scored_out(point: Any) -> models.ScoredPoint:
    """Translate a scored point of the engine to ours.

    >>> from types import SimpleNamespace
    >>> point = SimpleNamespace(id=7, version=1, score=0.9, payload=None, vector=None, order_value=None)
    >>> scored_out(point).score
    0.9
    """
    return models.ScoredPoint(
        id=from_edge_id(point.id),
        version=point.version,
        score=point.score,
        payload=point.payload,
        vector=vector_out(point.vector),
        shard_key=None,
        order_value=point.order_value,
    )


def sparse(vector: Any) -> Any:
    """Translate a sparse vector to the engine's, sorted by index.

    >>> made = sparse(models.SparseVector(indices=[8, 3], values=[1.0, 0.5]))
    >>> made.indices, made.values
    ([3, 8], [0.5, 1.0])
    """
    import qdrant_edge as qe

    indices = np.asarray(vector.indices, dtype=np.int64)
    values = np.asarray(vector.values, dtype=np.float64)
    order = np.argsort(indices, kind="stable")
    return qe.SparseVector(indices[order].tolist(), values[order].tolist())


def query(value: Any, using: str | None) -> Any:
    """Translate a nearest-neighbour query; None stays None.

    >>> type(query(np.ones(384), "dense")).__name__
    'Nearest'
    >>> query({"recommend": [7]}, "dense")
    Traceback (most recent call last):
        ...
    NotImplementedError: the embedded engine's adapter does not translate a query of dict
    """
    import qdrant_edge as qe

    if value is None:
        return None
    if models.is_a(value, "NearestQuery"):
        value = value.nearest
    if models.is_a(value, "SparseVector") or (hasattr(value, "indices") and hasattr(value, "values")):
        return qe.Query.Nearest(sparse(value), using)
    if isinstance(value, np.ndarray):
        value = value.astype(np.float32, copy=False).tolist()
    if isinstance(value, (list, tuple)) and (not value or not isinstance(value[0], (list, tuple))):
        return qe.Query.Nearest(list(value), using)
    raise NotImplementedError(f"the embedded engine's adapter does not translate a query of {type(value).__name__}")


def search_params(value: Any) -> Any:
    """Translate ``search_params``; None stays None.

    >>> from types import SimpleNamespace
    >>> search_params(SimpleNamespace(hnsw_ef=64, exact=False, indexed_only=None)).hnsw_ef
    64
    """
    import qdrant_edge as qe

    if value is None:
        return None
    return qe.SearchParams(hnsw_ef=value.hnsw_ef, exact=bool(value.exact), indexed_only=bool(value.indexed_only))


def selector(value: Any) -> tuple[list[PointId] | None, Any]:
    """Translate a points selector to (ids, None) or (None, filter of the engine).

    >>> selector(models.PointIdsList(points=[7, 8])), selector(7)
    (([7, 8], None), ([7], None))
    """
    if models.is_a(value, "PointIdsList"):
        value = value.points
    if models.is_a(value, "FilterSelector"):
        value = value.filter
    if models.is_a(value, "Filter"):
        return None, filter_(value)
    items: Iterable[Any] = value if isinstance(value, (list, tuple, set)) else [value]
    return [to_edge_id(item) for item in items], None


# ---- schema ----

_SCHEMA_TYPES = ("keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid")


def field_schema(value: Any) -> Any:
    """Translate the type of a payload index.

    >>> field_schema("integer")
    PayloadSchemaType.Integer
    >>> field_schema("vector")
    Traceback (most recent call last):
        ...
    NotImplementedError: the embedded engine's adapter does not know the payload index type 'vector'
    """
    import qdrant_edge as qe

    if models.is_a(value, "TextIndexParams"):
        tokenizer = value.tokenizer.value.capitalize() if value.tokenizer else None
        return qe.TextIndexParams(
            tokenizer=getattr(qe.TokenizerType, tokenizer) if tokenizer else None,
            min_token_len=value.min_token_len,
            max_token_len=value.max_token_len,
            lowercase=value.lowercase,
            phrase_matching=value.phrase_matching,
        )
    name = schema_name(value)
    if name not in _SCHEMA_TYPES:
        raise NotImplementedError(f"the embedded engine's adapter does not know the payload index type {value!r}")
    if name == "keyword":
        return qe.KeywordIndexParams(memory=qe.Memory.Cached)  # else in RAM, 30 bytes per point even when packed
    return getattr(qe.PayloadSchemaType, str(name).capitalize())


def schema_name(value: Any) -> str:
    """Return the name of a payload index type, ours or Qdrant's.

    >>> schema_name(models.PayloadSchemaType.KEYWORD)
    'keyword'
    """
    name = getattr(value, "type", value)
    return str(getattr(name, "value", name))


def edge_config(
    vectors: dict[str, models.VectorParams],
    sparse_vectors: dict[str, models.SparseVectorParams],
    *,
    graph: Wanted | None = None,
    segments: int = SEGMENTS,
) -> Any:
    """Return the engine's configuration. The name of an unnamed vector is "".

    >>> config = edge_config({"dense": models.VectorParams(size=384, distance=models.Distance.COSINE)}, {})
    >>> config.vectors["dense"].size, config.hnsw_config.m
    (384, 0)

    Args:
        vectors: parameters of the dense vectors, by name.
        sparse_vectors: parameters of the sparse vectors, by name.
        graph: HNSW graph to build on optimising; None: dense search is exact.
        segments: number of segments above which optimising merges them.
    """
    import qdrant_edge as qe

    # Cached: memory maps, read ahead; Cold: memory maps. The engine's default for both keeps them in RAM.
    memory = qe.Memory.Cold if any(params.on_disk for params in vectors.values()) else qe.Memory.Cached
    return qe.EdgeConfig(
        vectors={name: _vector_params(params) for name, params in vectors.items()},
        sparse_vectors={
            name: qe.EdgeSparseVectorParams(
                modifier=qe.Modifier.Idf if _word(params.modifier) == models.Modifier.IDF.value else None, memory=memory
            )
            for name, params in sparse_vectors.items()
        },
        id_tracker_memory=memory,
        hnsw_config=qe.HnswIndexConfig(
            m=0 if graph is None else graph.m,
            ef_construct=100 if graph is None else graph.ef_construct,
            full_scan_threshold=_scan_kb(graph, vectors.values()),
            payload_m=None if graph is None else graph.payload_m,
        ),
        # 1 KB: only "indexed" segments are memory-mapped, and so every optimised segment is.
        optimizers=qe.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=segments),
    )


def described_config(description: dict[str, Any], *, graph: Wanted | None, segments: int) -> Any:
    """Return the ``edge_config`` of a collection described by its ``collection.json``.

    >>> description = {"vectors": {"dense": {"size": 384, "distance": "Cosine"}}, "sparse_vectors": {"sparse": {}}}
    >>> config = described_config(description, graph=Wanted(m=32), segments=1)
    >>> list(config.sparse_vectors), config.hnsw_config.m
    (['sparse'], 32)
    """
    vectors = {name: models.VectorParams(**params) for name, params in description["vectors"].items()}
    sparse = {name: models.SparseVectorParams(**params) for name, params in description["sparse_vectors"].items()}
    return edge_config(vectors, sparse, graph=graph, segments=segments)


def _scan_kb(graph: Wanted | None, vectors: Iterable[models.VectorParams]) -> int:
    """Return the KB of vectors up to which the engine compares them all."""
    if graph is None or graph.scanned is None:
        return SCAN_KB
    sizes = [params.size * BYTES[_word(params.datatype)] if params.datatype else 4 * params.size for params in vectors]
    return (graph.scanned * max(sizes, default=0)) >> 10


def _vector_params(params: models.VectorParams) -> Any:
    import qdrant_edge as qe

    if params.multivector_config is not None:
        raise NotImplementedError("the embedded engine's adapter does not store multi-vectors")
    names = {"float32": "Float32", "float16": "Float16", "uint8": "Uint8", "turbo8": "Turbo8", "turbo16": "Turbo16"}
    datatype = names[_word(params.datatype)] if params.datatype else "Float32"
    return qe.EdgeVectorParams(
        size=params.size,
        distance=getattr(qe.Distance, _word(params.distance).capitalize()),
        datatype=getattr(qe.VectorStorageDatatype, datatype),
        memory=qe.Memory.Cold if params.on_disk else None,
    )


def _word(value: Any) -> str:
    """Return the value of an enumeration, ours or Qdrant's; a plain value, as in ``collection.json``, unchanged."""
    return str(getattr(value, "value", value))


def edge_points(points: Any) -> Sequence[tuple[int | str, Any, dict[str, Any]]]:
    """Translate PointStructs, a PointsList or a Batch to (id, vector, payload) each.

    >>> from types import SimpleNamespace
    >>> edge_points([SimpleNamespace(id=7, vector={"dense": [1.0, 0.0]}, payload={"tags": ("rain", "tea")})])
    [(7, {'dense': [1.0, 0.0]}, {'tags': ['rain', 'tea']})]
    """
    if models.is_a(points, "Batch"):
        payloads: list[Any] = points.payloads or [None] * len(points.ids)
        vectors = points.vectors
        if isinstance(vectors, dict):
            rows: list[Any] = [{name: column[i] for name, column in vectors.items()} for i in range(len(points.ids))]
        else:
            rows = list(vectors)
        return [
            (to_edge_id(i), vector, to_edge_payload(payload))
            for i, vector, payload in zip(points.ids, rows, payloads, strict=True)
        ]
    if models.is_a(points, "PointsList"):
        points = points.points
    return [(to_edge_id(point.id), point.vector, to_edge_payload(point.payload)) for point in points]
