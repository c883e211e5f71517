"""Qdrant's types as plain classes with the same names and fields, used in all calls to a store.

Importing ``qdrant_client`` takes a second, which a question to the embedded engine does not have to wait for. The
embedded engine accepts these types and Qdrant's; ``indexes.store.models.as_qdrant`` converts them for servers and for
users of ``index.client``. Types that are missing here exist only in Qdrant: import them where a server is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform()
class Word:
    """Base class that works like a dataclass: generating the methods of forty dataclasses would cost 30 ms per command.

    >>> MatchValue(value="zh") == MatchValue("zh")
    True
    """

    names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.names = tuple(cls.__annotations__)

    def __init__(self, *values: Any, **given: Any) -> None:
        given |= dict(zip(self.names, values, strict=False))
        lacking = [name for name in self.names if name not in given and not hasattr(type(self), name)]
        unknown = given.keys() - set(self.names)
        if lacking or unknown or len(values) > len(self.names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self.names)}, not {', '.join(given)}")
        for name in self.names:
            setattr(self, name, given[name] if name in given else getattr(type(self), name))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"


# ---- filters ----


class Filter(Word):
    """Conditions that all, some or none must hold.

    >>> lang = FieldCondition(key="metadata.lang", match=MatchValue(value="zh"))
    >>> Filter(must=[lang]) == Filter(must=[FieldCondition("metadata.lang", MatchValue("zh"))])
    True
    >>> Filter(must=[lang], shoud=[])
    Traceback (most recent call last):
        ...
    TypeError: Filter takes must, should, must_not, min_should, not must, shoud
    """

    must: Any = None
    should: Any = None
    must_not: Any = None
    min_should: Any = None


class MatchValue(Word):
    """Match one value exactly."""

    value: bool | int | str


class MatchAny(Word):
    """Match any of these values."""

    any: Sequence[Any]


class MatchText(Word):
    """Match a text that has all these words."""

    text: str


class MatchSubstring(Word):
    """Match a text that contains this substring."""

    substring: str


class MatchPrefix(Word):
    """Match a text that begins with this prefix."""

    prefix: str


class Range(Word):
    """Bounds of a number.

    >>> Range(gt=1, lte=3)
    Range(lt=None, gt=1, gte=None, lte=3)
    """

    lt: float | None = None
    gt: float | None = None
    gte: float | None = None
    lte: float | None = None


class DatetimeRange(Word):
    """Bounds of a date, as ISO text or as dates.

    >>> DatetimeRange(gte="2026-03-18").gte
    datetime.datetime(2026, 3, 18, 0, 0)

    Raises:
        ValueError: a bound is not a date.
    """

    lt: Any = None
    gt: Any = None
    gte: Any = None
    lte: Any = None

    def __init__(self, **bounds: Any) -> None:
        super().__init__(**{key: None if at is None else _moment().validate_python(at) for key, at in bounds.items()})


@cache
def _moment() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(datetime | date)


class FieldCondition(Word):
    """A condition on one field of the payload.

    >>> FieldCondition(key="metadata.year", range=Range(gte=2020)).range
    Range(lt=None, gt=None, gte=2020, lte=None)
    """

    key: str
    match: Any = None
    range: Any = None
    geo_bounding_box: Any = None
    geo_radius: Any = None
    geo_polygon: Any = None
    values_count: Any = None
    is_empty: bool | None = None
    is_null: bool | None = None


class PayloadField(Word):
    """The name of a field of the payload."""

    key: str


class IsEmptyCondition(Word):
    """The field is missing, null or an empty list."""

    is_empty: PayloadField


class HasIdCondition(Word):
    """The point has one of these ids."""

    has_id: Sequence[Any]


class PointIdsList(Word):
    """Points selected by id."""

    points: Sequence[Any]


class FilterSelector(Word):
    """Points selected by a filter."""

    filter: Any


def is_filter(value: object) -> bool:
    """Return whether a value is a filter, ours or Qdrant's.

    >>> is_filter(Filter(must=[])), is_filter({"must": []})
    (True, False)
    """
    return is_a(value, "Filter")


def is_a(value: object, *names: str) -> bool:
    """Return whether the type of a value, ours or Qdrant's, has one of these names.

    >>> is_a(Range(gt=1), "Range", "DatetimeRange")
    True
    """
    return type(value).__name__ in names and type(value).__module__.startswith(("qdrant_client.", __name__))


# ---- schema ----


class Distance(StrEnum):
    """Distance of dense vectors.

    >>> Distance.COSINE == "Cosine", str(Distance.DOT)
    (True, 'Dot')
    """

    COSINE = "Cosine"
    EUCLID = "Euclid"
    DOT = "Dot"
    MANHATTAN = "Manhattan"


class Datatype(StrEnum):
    """Number format of stored vectors."""

    FLOAT32 = "float32"
    UINT8 = "uint8"
    FLOAT16 = "float16"
    TURBO8 = "turbo8"


class Modifier(StrEnum):
    """Change that Qdrant makes to the weights of a sparse query."""

    NONE = "none"
    IDF = "idf"


class PayloadSchemaType(StrEnum):
    """Type of a payload index."""

    KEYWORD = "keyword"
    INTEGER = "integer"
    FLOAT = "float"
    BOOL = "bool"


class VectorParams(Word):
    """Parameters of a dense vector.

    >>> described(VectorParams(size=384, distance=Distance.COSINE))
    {'size': 384, 'distance': 'Cosine'}
    """

    size: int
    distance: Any
    hnsw_config: Any = None
    quantization_config: Any = None
    on_disk: bool | None = None
    datatype: Any = None
    multivector_config: Any = None


class SparseIndexParams(Word):
    """Parameters of the index of a sparse vector."""

    full_scan_threshold: int | None = None
    on_disk: bool | None = None
    datatype: Any = None


class SparseVectorParams(Word):
    """Parameters of a sparse vector.

    >>> described(SparseVectorParams(modifier=Modifier.IDF))
    {'modifier': 'idf'}
    """

    index: Any = None
    modifier: Any = None


def described(params: Any) -> dict[str, Any]:
    """Return the parameters of a vector as JSON, without unset ones.

    >>> described(VectorParams(size=384, distance=Distance.COSINE))
    {'size': 384, 'distance': 'Cosine'}
    """
    if hasattr(params, "model_dump"):
        return dict(params.model_dump(mode="json", exclude_none=True))
    return {
        key: described(value) if isinstance(value, Word) else getattr(value, "value", value)
        for key, value in vars(params).items()
        if value is not None
    }


# ---- vectors, queries and results ----


class SparseVector(Word):
    """Indices and values of a sparse vector."""

    indices: list[int]
    values: list[float]


class QueryRequest(Word):
    """One query of a batch."""

    query: Any = None
    using: str | None = None
    prefetch: Any = None
    filter: Any = None
    params: Any = None
    limit: int | None = None
    offset: int | None = None
    with_payload: Any = None
    with_vector: Any = None
    score_threshold: float | None = None
    lookup_from: Any = None


@dataclass(slots=True)  # thousands of them
class Record:
    """A point that was read."""

    id: int | str
    payload: dict[str, Any] | None = None
    vector: Any = None
    shard_key: Any = None
    order_value: Any = None


@dataclass(slots=True)
class ScoredPoint:
    """A point that was found, with its score."""

    id: int | str
    version: int
    score: float
    payload: dict[str, Any] | None = None
    vector: Any = None
    shard_key: Any = None
    order_value: Any = None


class QueryResponse(Word):
    """The points found by a query, best first."""

    points: list[ScoredPoint]


class CountResult(Word):
    """Number of points."""

    count: int


class FacetValueHit(Word):
    """A value of a field, and the number of points with it."""

    value: Any
    count: int


class FacetResponse(Word):
    """The values of a field, most frequent first."""

    hits: list[FacetValueHit]


class UpdateStatus(StrEnum):
    """State of a write."""

    COMPLETED = "completed"


class UpdateResult(Word):
    """Result of a write."""

    operation_id: int
    status: UpdateStatus


# ---- collections ----


class CollectionDescription(Word):
    """The name of a collection."""

    name: str


class CollectionsResponse(Word):
    """All collections of a store."""

    collections: list[CollectionDescription]


class CollectionStatus(StrEnum):
    """State of a collection."""

    GREEN = "green"


class OptimizersStatusOneOf(StrEnum):
    """State of a collection's optimizers."""

    OK = "ok"


class CollectionParams(Word):
    """The vectors of a collection."""

    vectors: Any = None
    sparse_vectors: Any = None


class HnswConfig(Word):
    """Parameters of a graph."""

    m: int
    ef_construct: int
    full_scan_threshold: int


class OptimizersConfig(Word):
    """Parameters of the optimizers."""

    deleted_threshold: float
    vacuum_min_vector_number: int
    default_segment_number: int
    flush_interval_sec: int


class CollectionConfig(Word):
    """Configuration of a collection."""

    params: CollectionParams
    hnsw_config: HnswConfig
    optimizer_config: OptimizersConfig
    metadata: dict[str, Any] | None = None


class PayloadIndexInfo(Word):
    """A payload index, and the number of points in it."""

    data_type: str
    points: int


class CollectionInfo(Word):
    """State and configuration of a collection."""

    status: CollectionStatus
    optimizer_status: OptimizersStatusOneOf
    segments_count: int
    config: CollectionConfig
    points_count: int | None = None
    indexed_vectors_count: int | None = None
    payload_schema: Any = None


# ---- aliases ----


class AliasDescription(Word):
    """An alias and its collection."""

    alias_name: str
    collection_name: str


class CollectionsAliasesResponse(Word):
    """All aliases of a store."""

    aliases: list[AliasDescription]


class CreateAlias(Word):
    """An alias to create."""

    collection_name: str
    alias_name: str


class CreateAliasOperation(Word):
    """Operation: create an alias."""

    create_alias: CreateAlias


class DeleteAlias(Word):
    """An alias to delete."""

    alias_name: str


class DeleteAliasOperation(Word):
    """Operation: delete an alias."""

    delete_alias: DeleteAlias
