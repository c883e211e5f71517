"""Translate conditions on metadata, ours or LlamaIndex's MetadataFilters, to a Qdrant filter for both legs.

A key is a field of the payload (``doc_id``, ``position``, ``section``, ``kind``, ``text``), else one of the sentence's
``metadata``. ``source`` matches any name of a file: relative to its root, its bare name, its id, and the names of
identical files. A point without the key matches no comparison, not even ``!=``; only ``is_empty`` finds it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from indexes.errors import FilterError, SettingsError
from indexes.store import models
from indexes.text.characters import valid

if TYPE_CHECKING:
    from llama_index.core.vector_stores.types import MetadataFilters

_DOCUMENT_KEYS = ("doc_id", "document_id", "ref_doc_id")
_TOP_LEVEL = ("doc_id", "position", "section", "kind", "text", "start", "end")
_NAMES = {  # payload fields with the names of a file
    "metadata.source": ("metadata.source", "metadata.file_name", "metadata.sources", "metadata.other_names", "doc_id"),
    "metadata.file_name": ("metadata.file_name", "metadata.other_names"),
    "metadata.file_path": ("metadata.file_path", "metadata.other_names"),
}
_METADATA_FILTERS = "llama_index.core.vector_stores.types.MetadataFilters"
_RANGES = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


@dataclass(slots=True)
class Where:
    """A condition on a metadata key.

    >>> to_qdrant_filter(Wheres([Where("year", 2020, ">")])).must[0].range
    Range(lt=None, gt=2020.0, gte=None, lte=None)

    Args:
        key: as in ``to_qdrant_filter``.
        value: value to compare with.
        operator: one of LlamaIndex's: "==", "!=", ">", "text_match", "in", "is_empty" ...
    """

    key: str
    value: Any
    operator: str = "=="


@dataclass(slots=True)
class Wheres:
    """Conditions of which all ("and"), any ("or") or none ("not") must hold: MetadataFilters without LlamaIndex.

    >>> any_of = Wheres([Where("lang", "zh"), Where("year", 2020, ">")], "or")
    >>> [condition.key for condition in to_qdrant_filter(any_of).should]
    ['metadata.lang', 'metadata.year']
    """

    filters: list[Where | Wheres]
    condition: Literal["and", "or", "not"] = "and"


def operator_of(item: Any) -> str:
    """Return the operator of a condition, ours or LlamaIndex's, as text.

    >>> operator_of(Where("year", 2020, ">"))
    '>'
    """
    return str(getattr(item.operator, "value", item.operator) or "==")


def check_filters(value: object) -> None:
    """Raise SettingsError unless ``value`` is None or a filter: ours, LlamaIndex's or Qdrant's.

    >>> check_filters(Wheres([Where("lang", "zh")]))
    >>> check_filters({"lang": "zh"})
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: filters is {'lang': 'zh'}, which cannot be used; give LlamaIndex's MetadataFilters
    """
    if value is not None and not models.is_filter(value) and not are_conditions(value):
        raise SettingsError(
            f"filters is {value!r:.80}, which cannot be used", remedy="give LlamaIndex's MetadataFilters"
        )


def are_conditions(value: object) -> bool:
    """Return whether ``value`` is a set of conditions on metadata, ours or LlamaIndex's.

    >>> are_conditions(Wheres([])), are_conditions({"year": 2020})
    (True, False)
    """
    if isinstance(value, Wheres):
        return True
    return any(f"{base.__module__}.{base.__name__}" == _METADATA_FILTERS for base in type(value).__mro__)


def to_qdrant_filter(filters: MetadataFilters | Wheres | None) -> models.Filter | None:
    """Translate conditions on metadata to a Qdrant filter; None for None or no conditions.

    ``==`` ``!=`` ``in`` ``nin`` take text, numbers and booleans; ``>`` ``>=`` ``<`` ``<=`` numbers and ISO dates;
    ``any`` ``all`` ``contains`` search in lists; ``text_match`` finds a substring, case-sensitive, in any script;
    ``text_match_insensitive`` finds all words in any case (a run of Chinese counts as one word).

    >>> condition = to_qdrant_filter(Wheres([Where("lang", "zh")])).must[0]
    >>> condition.key, condition.match
    ('metadata.lang', MatchValue(value='zh'))

    Raises:
        FilterError: an operator or a value that Qdrant cannot compare.
    """
    if filters is None:
        return None
    conditions = [made for item in filters.filters if (made := _condition(item)) is not None]
    if not conditions:
        return None
    joined = str(getattr(filters.condition, "value", filters.condition))
    if joined == "or":
        return models.Filter(should=conditions)
    if joined == "not":
        return models.Filter(must_not=conditions)
    return models.Filter(must=conditions)


def both(*filters: models.Filter | None) -> models.Filter | None:
    """Combine filters by "and"; None is ignored, and returned if there is no filter.

    >>> only = models.Filter(must=[])
    >>> both(None, only) is only
    True
    """
    there: list[Any] = [item for item in filters if item is not None]
    return there[0] if len(there) == 1 else models.Filter(must=there) if there else None


def field_key(key: str) -> str:
    """Return the payload field of a metadata key.

    >>> field_key("year"), field_key("kind"), field_key("document_id")
    ('metadata.year', 'kind', 'doc_id')
    """
    if key in _DOCUMENT_KEYS:
        return "doc_id"
    if key in _TOP_LEVEL or key.startswith("metadata."):
        return key
    return f"metadata.{key}"


def _condition(item: Any) -> Any:
    if hasattr(item, "filters"):
        return to_qdrant_filter(item)
    key, operator, value = field_key(item.key), operator_of(item), item.value
    if operator == "is_empty":
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    if operator in ("==", "contains"):
        return either(_equal(name, value, item) for name in _names(key))
    if operator == "!=":
        return _unlike(key, [_equal(name, value, item) for name in _names(key)])
    if operator in _RANGES:
        return _range(key, _RANGES[operator], value, item)
    if operator in ("in", "any"):
        return either(_any_of(name, _items(value, item), item) for name in _names(key))
    if operator == "nin":
        return _unlike(key, [_any_of(name, _items(value, item), item) for name in _names(key)])
    if operator == "all":
        return models.Filter(must=[_equal(key, one, item) for one in _items(value, item)])
    if operator == "text_match" and isinstance(value, str):
        return models.FieldCondition(key=key, match=models.MatchSubstring(substring=value))
    if operator == "text_match_insensitive" and isinstance(value, str):
        return models.FieldCondition(key=key, match=models.MatchText(text=value))
    raise _unsupported(item)


def _names(key: str) -> tuple[str, ...]:
    return _NAMES.get(key, (key,))


def either(conditions: Iterable[Any]) -> Any:
    """Return a condition that any of these satisfies.

    >>> one, other = (models.FieldCondition(key="lang", match=models.MatchValue(value=value)) for value in ("zh", "en"))
    >>> either([one]) is one, len(either([one, other]).should)
    (True, 2)
    """
    found = list(conditions)
    return found[0] if len(found) == 1 else models.Filter(should=found)


def _unsupported(item: Any) -> FilterError:
    return FilterError(
        f"the filter {item.key!r} {operator_of(item)!r} {item.value!r} cannot be applied by Qdrant",
        remedy="use ==, !=, >, >=, <, <=, in, nin, any, all, contains, text_match or is_empty with a value that fits",
    )


def _equal(key: str, value: Any, item: Any) -> models.FieldCondition:
    if isinstance(value, int) and not isinstance(value, bool) and not _fits(value):
        value = _float(value, item)  # as it is stored
    if isinstance(value, str):
        value = valid(value)
    if isinstance(value, (bool, int, str)):
        return models.FieldCondition(key=key, match=models.MatchValue(value=value))
    if isinstance(value, float) and math.isfinite(value):
        return models.FieldCondition(key=key, range=models.Range(gte=value, lte=value))
    raise _unsupported(item)


def _unlike(key: str, conditions: Sequence[Any]) -> models.Filter:
    there = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    return models.Filter(must_not=[*conditions, there])


def _range(key: str, bound: str, value: Any, item: Any) -> models.FieldCondition:
    if isinstance(value, str):
        try:
            return models.FieldCondition(key=key, range=models.DatetimeRange(**{bound: value}))
        except ValueError:
            raise _unsupported(item) from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _unsupported(item)
    return models.FieldCondition(key=key, range=models.Range(**{bound: _float(value, item)}))


def _fits(value: int) -> bool:
    return -(1 << 63) <= value < 1 << 63


def _float(value: float, item: Any) -> float:
    try:
        number = float(value)
    except OverflowError:
        raise _unsupported(item) from None
    if math.isnan(number):
        raise _unsupported(item)
    return number


def _items(value: Any, item: Any) -> list[Any]:
    if isinstance(value, str):  # as the stock Qdrant store reads it
        return [part.strip() for part in value.split(",")]
    if isinstance(value, (list, tuple, set)) and value:
        return list(value)
    raise _unsupported(item)


def _any_of(key: str, values: list[Any], item: Any) -> Any:
    plain_text = all(isinstance(value, str) for value in values)
    if plain_text or all(isinstance(value, int) and not isinstance(value, bool) and _fits(value) for value in values):
        values = [valid(value) for value in values] if plain_text else values
        return models.FieldCondition(key=key, match=models.MatchAny(any=values))
    return models.Filter(should=[_equal(key, value, item) for value in values])
