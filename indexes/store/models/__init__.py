"""The words in which the house speaks to a store: Qdrant's, as plain classes with its names and fields.

Importing ``qdrant_client`` takes a second, which a question to the embedded engine need not wait for. That engine takes
these and Qdrant's own; ``indexes.store.models.as_qdrant`` makes Qdrant's of these, for a server and for whoever holds
``index.client``. What is not named here is Qdrant's alone: import it where a server is spoken to.
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
    """A dataclass whose methods are written once: making those of forty classes takes 30 ms of each command."""

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
    must: Any = None
    should: Any = None
    must_not: Any = None
    min_should: Any = None


class MatchValue(Word):
    value: bool | int | str


class MatchAny(Word):
    any: Sequence[Any]


class MatchText(Word):
    text: str


class MatchSubstring(Word):
    substring: str


class MatchPrefix(Word):
    prefix: str


class Range(Word):
    lt: float | None = None
    gt: float | None = None
    gte: float | None = None
    lte: float | None = None


class DatetimeRange(Word):
    """Bounds as ISO text or as dates.

    Raises:
        ValueError: a bound is no date.
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
    key: str


class IsEmptyCondition(Word):
    is_empty: PayloadField


class HasIdCondition(Word):
    has_id: Sequence[Any]


class PointIdsList(Word):
    points: Sequence[Any]


class FilterSelector(Word):
    filter: Any


def is_filter(value: object) -> bool:
    """True for a filter of ours, and for Qdrant's."""
    return is_a(value, "Filter")


def is_a(value: object, *names: str) -> bool:
    """True for what is called so, be it ours or Qdrant's."""
    return type(value).__name__ in names and type(value).__module__.startswith(("qdrant_client.", __name__))


# ---- schema ----


class Distance(StrEnum):
    COSINE = "Cosine"
    EUCLID = "Euclid"
    DOT = "Dot"
    MANHATTAN = "Manhattan"


class Datatype(StrEnum):
    FLOAT32 = "float32"
    UINT8 = "uint8"
    FLOAT16 = "float16"
    TURBO8 = "turbo8"


class Modifier(StrEnum):
    NONE = "none"
    IDF = "idf"


class PayloadSchemaType(StrEnum):
    KEYWORD = "keyword"


class VectorParams(Word):
    size: int
    distance: Any
    hnsw_config: Any = None
    quantization_config: Any = None
    on_disk: bool | None = None
    datatype: Any = None
    multivector_config: Any = None


class SparseIndexParams(Word):
    full_scan_threshold: int | None = None
    on_disk: bool | None = None
    datatype: Any = None


class SparseVectorParams(Word):
    index: Any = None
    modifier: Any = None


def described(params: Any) -> dict[str, Any]:
    """The parameters of a vector as JSON, without what is not set."""
    if hasattr(params, "model_dump"):
        return dict(params.model_dump(mode="json", exclude_none=True))
    return {
        key: described(value) if isinstance(value, Word) else getattr(value, "value", value)
        for key, value in vars(params).items()
        if value is not None
    }


# ---- vectors, questions and what comes back ----


class SparseVector(Word):
    indices: list[int]
    values: list[float]


class QueryRequest(Word):
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
    id: int | str
    payload: dict[str, Any] | None = None
    vector: Any = None
    shard_key: Any = None
    order_value: Any = None


@dataclass(slots=True)
class ScoredPoint:
    id: int | str
    version: int
    score: float
    payload: dict[str, Any] | None = None
    vector: Any = None
    shard_key: Any = None
    order_value: Any = None


class QueryResponse(Word):
    points: list[ScoredPoint]


class CountResult(Word):
    count: int


class FacetValueHit(Word):
    value: Any
    count: int


class FacetResponse(Word):
    hits: list[FacetValueHit]


class UpdateStatus(StrEnum):
    COMPLETED = "completed"


class UpdateResult(Word):
    operation_id: int
    status: UpdateStatus


# ---- collections ----


class CollectionDescription(Word):
    name: str


class CollectionsResponse(Word):
    collections: list[CollectionDescription]


class CollectionStatus(StrEnum):
    GREEN = "green"


class OptimizersStatusOneOf(StrEnum):
    OK = "ok"


class CollectionParams(Word):
    vectors: Any = None
    sparse_vectors: Any = None


class HnswConfig(Word):
    m: int
    ef_construct: int
    full_scan_threshold: int


class OptimizersConfig(Word):
    deleted_threshold: float
    vacuum_min_vector_number: int
    default_segment_number: int
    flush_interval_sec: int


class CollectionConfig(Word):
    params: CollectionParams
    hnsw_config: HnswConfig
    optimizer_config: OptimizersConfig
    metadata: dict[str, Any] | None = None


class PayloadIndexInfo(Word):
    data_type: str
    points: int


class CollectionInfo(Word):
    status: CollectionStatus
    optimizer_status: OptimizersStatusOneOf
    segments_count: int
    config: CollectionConfig
    points_count: int | None = None
    indexed_vectors_count: int | None = None
    payload_schema: Any = None


# ---- aliases ----


class AliasDescription(Word):
    alias_name: str
    collection_name: str


class CollectionsAliasesResponse(Word):
    aliases: list[AliasDescription]


class CreateAlias(Word):
    collection_name: str
    alias_name: str


class CreateAliasOperation(Word):
    create_alias: CreateAlias


class DeleteAlias(Word):
    alias_name: str


class DeleteAliasOperation(Word):
    delete_alias: DeleteAlias
