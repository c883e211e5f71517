"""Translate filters of ``qdrant_client`` to filters of ``qdrant_edge``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexes.registry import later
from indexes.store import models
from indexes.store.edge.ids import as_object

if TYPE_CHECKING:
    import numpy as np
else:
    np = later("numpy")


def filter_(value: models.Filter | None) -> Any:
    """Translate a filter, ours or Qdrant's; None stays None.

    >>> only = models.FieldCondition(key="doc_id", match=models.MatchValue(value="a.md"))
    >>> made = filter_(models.Filter(must=[only], should=[]))
    >>> [condition.key for condition in made.must], made.should
    (['doc_id'], None)
    """
    import qdrant_edge as qe

    if value is None:
        return None

    def many(conditions: Any) -> list[Any] | None:
        if conditions is None:
            return None
        items = conditions if isinstance(conditions, (list, tuple)) else [conditions]
        # In Qdrant an empty clause restricts nothing.
        return [condition(item) for item in items] or None

    least = value.min_should
    return qe.Filter(
        must=many(value.must),
        should=many(value.should),
        must_not=many(value.must_not),
        min_should=qe.MinShould(many(least.conditions) or [], least.min_count) if least else None,
    )


def condition(value: Any) -> Any:
    """Translate one condition of a filter.

    >>> condition(models.IsEmptyCondition(is_empty=models.PayloadField(key="metadata.title")))
    IsEmptyCondition(key="metadata.title")
    >>> condition("title is empty")
    Traceback (most recent call last):
        ...
    NotImplementedError: the embedded engine's adapter does not translate str
    """
    import qdrant_edge as qe

    if models.is_a(value, "Filter"):
        return filter_(value)
    if models.is_a(value, "FieldCondition"):
        return _field_condition(value)
    if models.is_a(value, "IsEmptyCondition"):
        return qe.IsEmptyCondition(value.is_empty.key)
    if models.is_a(value, "IsNullCondition"):
        return qe.IsNullCondition(value.is_null.key)
    if models.is_a(value, "HasIdCondition"):
        # The engine expects UUID objects and integers here, not text.
        return qe.HasIdCondition(set(map(as_object, value.has_id)))
    if models.is_a(value, "HasVectorCondition"):
        return qe.HasVectorCondition(value.has_vector)
    if models.is_a(value, "NestedCondition"):
        return qe.NestedCondition(value.nested.key, filter_(value.nested.filter))
    raise NotImplementedError(f"the embedded engine's adapter does not translate {type(value).__name__}")


def _field_condition(value: models.FieldCondition) -> Any:
    import qdrant_edge as qe

    if value.geo_bounding_box or value.geo_radius or value.geo_polygon:
        raise NotImplementedError("the embedded engine's adapter does not translate geographic conditions")
    bounds: Any = None
    if models.is_a(value.range, "DatetimeRange"):
        bounds = qe.RangeDateTime(**{name: _iso(getattr(value.range, name)) for name in ("gte", "gt", "lte", "lt")})
    elif value.range is not None:
        bounds = qe.RangeFloat(gte=value.range.gte, gt=value.range.gt, lte=value.range.lte, lt=value.range.lt)
    count = value.values_count
    return qe.FieldCondition(
        value.key,
        match=_match(value.match),
        range=bounds,
        values_count=qe.ValuesCount(lt=count.lt, gt=count.gt, lte=count.lte, gte=count.gte) if count else None,
        is_empty=value.is_empty,
        is_null=value.is_null,
    )


def _iso(moment: Any) -> str | None:
    return None if moment is None else moment if isinstance(moment, str) else moment.isoformat()


def _match(value: Any) -> Any:
    import qdrant_edge as qe

    if value is None:
        return None
    several: list[Any]
    if models.is_a(value, "MatchValue"):
        # A Python bool reaches the engine as the integer 1, which matches nothing; numpy's bool as a bool.
        exact: Any = np.bool_(value.value) if isinstance(value.value, bool) else value.value
        return qe.MatchValue(exact)
    if models.is_a(value, "MatchAny"):
        several = list(value.any)
        return qe.MatchAny(several)
    if models.is_a(value, "MatchExcept"):
        several = list(value.except_)
        return qe.MatchExcept(several)
    if models.is_a(value, "MatchText"):
        return qe.MatchText(value.text)
    if models.is_a(value, "MatchTextAny"):
        return qe.MatchTextAny(value.text_any)
    if models.is_a(value, "MatchPhrase"):
        return qe.MatchPhrase(value.phrase)
    if models.is_a(value, "MatchPrefix"):
        return qe.MatchPrefix(value.prefix)
    if models.is_a(value, "MatchSubstring"):
        return qe.MatchSubstring(value.substring)
    raise NotImplementedError(f"the embedded engine's adapter does not translate {type(value).__name__}")
