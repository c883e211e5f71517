"""Dify's metadata conditions with Dify's semantics: as a Qdrant filter, and as a predicate on a passage.

A document that lacks the key matches only "empty", not even a negation, as in SQL. A condition that the engine does not
support ("end with") is widened there and checked on the result.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from indexes.store import models
from indexes.store.filters import either
from rag.retrieval.several import parted
from rag.serve.errors import Problem
from rag.serve.wire import display_name, document_id

TEMPLATE = re.compile(r"\{\{#.*?#\}\}")
SAME = {"is": "=", "==": "=", "is not": "≠", "not is": "≠", "!=": "≠", ">=": "≥", "<=": "≤"}
SAME |= {"null": "empty", "not null": "not empty"}
RANGES: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "<": ("lt", operator.lt),
    ">": ("gt", operator.gt),
    "≤": ("lte", operator.le),
    "≥": ("gte", operator.ge),
}
TIMES = {"before": ("lt", operator.lt), "after": ("gt", operator.gt)}
KNOWN = (
    *("contains", "not contains", "start with", "end with", "is", "is not", "in", "not in", "empty", "not empty"),
    *("=", "≠", "<", ">", "≤", "≥", "before", "after"),
)
ON_THE_WIRE = ("document_id", "source")  # public names of a document, not keys of its stored metadata
ALIASES = {"document_name": "title", "title": "title"}
DAY = timedelta(days=1)
FIRST_TIME = 86_400.0 * 365  # a smaller number is not a date in Unix seconds


@dataclass(frozen=True, slots=True)
class DifyCondition:
    """One condition; it holds if it holds for any of its names.

    >>> condition = {"name": ["lang"], "comparison_operator": "is", "value": "en"}
    >>> read_conditions({"conditions": [condition]}).items
    (DifyCondition(names=('lang',), operator='=', value='en'),)
    """

    names: tuple[str, ...]
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Conditions:
    """All conditions of a request, joined by "and" or "or".

    >>> conditions = Conditions(False, (DifyCondition(("lang",), "=", "en"),))
    >>> conditions.holds({"lang": "en"}, "harbour.md"), conditions.holds({"lang": "zh"}, "harbour.md")
    (True, False)
    """

    any_of: bool
    items: tuple[DifyCondition, ...]

    def holds(self, metadata: Mapping[str, Any], doc_id: str) -> bool:
        """Return whether a document with this metadata matches."""
        if not self.items:
            return True
        join = any if self.any_of else all
        return join(any(_holds(item, _value_of(name, metadata, doc_id)) for name in item.names) for item in self.items)

    def fields(self) -> list[str]:
        """Return the metadata keys used, except in "empty", and except those that every document has."""
        field_names = (name for item in self.items if item.operator != "empty" for name in item.names)
        return [ALIASES.get(name, name) for name in dict.fromkeys(field_names) if name not in ON_THE_WIRE]

    @property
    def check(self) -> Callable[[Mapping[str, Any], str], bool] | None:
        """``holds`` for what the engine found, if its filter is wider than the conditions; else None.

        Equal conditions have the same repr, by which equal requests are recognised.
        """
        return Check(self) if any(item.operator == "end with" for item in self.items) else None

    def to_filter(self, doc_ids: Callable[[Any], list[str]]) -> models.Filter | None:
        """Return the engine's filter; None without conditions.

        Args:
            doc_ids: returns the document ids with a given public id or shown source.
        """
        made = [either([_to_qdrant(item, name, doc_ids) for name in item.names]) for item in self.items]
        if not made:
            return None
        return models.Filter(should=made) if self.any_of else models.Filter(must=made)


@dataclass(frozen=True, slots=True)
class Check:
    """Conditions asked of what was found, in one collection or in several.

    >>> condition = {"name": ["lang"], "comparison_operator": "is", "value": "en"}
    >>> check = Check(read_conditions({"conditions": [condition]}))
    >>> check({"lang": "en"}, "harbour.md"), check({"lang": "zh"}, "harbour.md")
    (True, False)
    """

    conditions: Conditions

    def __call__(self, metadata: Mapping[str, Any], doc_id: str) -> bool:
        return self.conditions.holds(metadata, parted(doc_id)[1])


def read_conditions(value: Any) -> Conditions:
    """Read ``metadata_condition`` of a request, as clients send it.

    >>> row = {"name": "lang", "comparison_operator": "is", "value": "en"}
    >>> read_conditions({"logical_operator": "and", "conditions": [row]})
    Conditions(any_of=False, items=(DifyCondition(names=('lang',), operator='=', value='en'),))

    Raises:
        Problem: a wrong type, an unknown operator (the known ones are listed), or an unfilled template as a value.
    """
    if value is None:
        return Conditions(False, ())
    if not isinstance(value, Mapping):
        raise Problem("bad_request", "metadata_condition is not an object", "send null or {conditions: [...]}")
    join = value.get("logical_operator")
    if join is not None and (not isinstance(join, str) or join.lower() not in ("and", "or")):
        raise Problem("bad_request", f"logical_operator is {join!r}", "use 'and' or 'or'")
    rows = value.get("conditions")
    if rows is not None and not isinstance(rows, list):
        raise Problem("bad_request", "conditions is not a list", "send null or a list of conditions")
    found = []
    for row in rows or []:
        if not isinstance(row, Mapping):
            raise Problem("bad_request", f"a condition is {row!r}, not an object")
        item = _read(row)
        if item is not None:
            found.append(item)
    return Conditions(join is not None and join.lower() == "or", tuple(found))


def _read(row: Mapping[str, Any]) -> DifyCondition | None:
    names = row.get("name")
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise Problem("bad_request", f"a condition's name is {row.get('name')!r}", "send the metadata key as a text")
    given = row.get("comparison_operator")
    chosen = SAME.get(given, given) if isinstance(given, str) else None
    if chosen not in KNOWN:
        raise Problem("bad_request", f"unknown comparison_operator {given!r}", f"known are: {', '.join(KNOWN)}")
    value = row.get("value")
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and TEMPLATE.search(text):
            raise Problem(
                "bad_request", f"the value of {names[0]!r} is the unfilled template {text!r}", "fill it in the workflow"
            )
    if isinstance(value, Mapping):
        raise Problem("bad_request", f"the value of {names[0]!r} is an object", "send a text, a number or a list")
    if value is None and chosen not in ("empty", "not empty"):
        return None  # as Dify does
    if chosen in RANGES and _number(value) is None:
        raise Problem("bad_request", f"{names[0]} {chosen} {value!r} does not compare with a number", "send a number")
    if chosen in TIMES and _moment(value) is None:
        raise Problem("bad_request", f"{names[0]} {chosen} {value!r} is not a time", "send Unix seconds or an ISO date")
    return DifyCondition(tuple(names), chosen, value)


# -- as a predicate ----------------------------------------------------------------------------------------------


def _value_of(name: str, metadata: Mapping[str, Any], doc_id: str) -> Any:
    if name == "document_id":
        return document_id(doc_id)
    if name == "source":
        return display_name(str(metadata.get("source") or doc_id))
    return metadata.get(ALIASES.get(name, name))


def _holds(item: DifyCondition, stored: Any) -> bool:
    empty = stored is None or stored in ("", [])
    if item.operator == "empty":
        return empty
    if item.operator == "not empty":
        return not empty
    if item.operator == "not in" and not _listed(item.value):
        return True
    if stored is None:
        return False
    values = stored if isinstance(stored, list) else [stored]
    positive = {"not contains": "contains", "≠": "=", "not in": "in"}.get(item.operator)
    if positive is not None:
        return not any(_compares(positive, one, item.value) for one in values)
    return any(_compares(item.operator, one, item.value) for one in values)


def _compares(word: str, stored: Any, value: Any) -> bool:
    if word == "contains":
        return _text(value) in _text(stored)
    if word == "start with":
        return _text(stored).startswith(_text(value))
    if word == "end with":
        return _text(stored).endswith(_text(value))
    if word == "=":
        return _same(stored, value)
    if word == "in":
        return any(_same(stored, one) for one in _listed(value))
    if word in RANGES:
        mine, other = _number(stored), _number(value)
        return mine is not None and other is not None and RANGES[word][1](mine, other)
    mine_at, at = _moment(stored), _moment(value)
    if mine_at is None or at is None:
        return False
    return bool(TIMES[word][1](mine_at.timestamp(), at.timestamp()))


def _same(one: Any, other: Any) -> bool:
    left, right = _number(one), _number(other)
    if left is not None and right is not None:
        return left == right
    if left is None and right is not None and right >= FIRST_TIME and isinstance(one, str):
        return _same_time(one, right)
    return _text(one) == _text(other)


def _same_time(stored: str, seconds: float) -> bool:
    """Return whether Unix seconds equal the stored ISO time, or lie in the stored day (UTC)."""
    mine, at = _moment(stored), _moment(seconds)
    if mine is None or at is None:
        return False
    return mine <= at < mine + DAY if len(stored.strip()) == len("2024-03-18") else mine == at


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, list) else [value]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    seconds = _number(value)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC)
        found = datetime.fromisoformat(str(value).strip())
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# -- as the engine's filter --------------------------------------------------------------------------------------


def _to_qdrant(item: DifyCondition, name: str, doc_ids: Callable[[Any], list[str]]) -> Any:
    if name in ON_THE_WIRE:
        return _by_document(item, name, doc_ids)
    key = f"metadata.{ALIASES.get(name, name)}"
    there = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    blank = models.FieldCondition(key=key, match=models.MatchValue(value=""))
    word, value = item.operator, item.value
    if word == "empty":
        return models.Filter(should=[there, blank])
    if word == "not empty":
        return models.Filter(must_not=[there, blank])
    if word in ("contains", "end with"):
        return _field(key, models.MatchSubstring(substring=_text(value)))
    if word == "start with":
        return _field(key, models.MatchPrefix(prefix=_text(value)))
    if word == "not contains":
        return models.Filter(must_not=[_field(key, models.MatchSubstring(substring=_text(value))), there])
    if word == "=":
        return _equal(key, value)
    if word == "≠":
        return models.Filter(must_not=[_equal(key, value), there])
    if word == "in":
        listed = _listed(value)
        return either([_equal(key, one) for one in listed]) if listed else _nothing()
    if word == "not in":
        listed = _listed(value)
        return models.Filter(must_not=[*(_equal(key, one) for one in listed), there]) if listed else models.Filter()
    if word in RANGES:
        return models.FieldCondition(key=key, range=models.Range(**{RANGES[word][0]: _number(value)}))
    return _time(key, word, value)


def _by_document(item: DifyCondition, name: str, doc_ids: Callable[[Any], list[str]]) -> Any:
    """Return the filter on document_id or source: public names, replaced by the stored ids."""
    chosen = doc_ids(lambda identity, source: _holds(item, identity if name == "document_id" else source))
    if not chosen:
        return _nothing()
    return models.FieldCondition(key="doc_id", match=models.MatchAny(any=chosen))


def _field(key: str, match: Any) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=match)


def _equal(key: str, value: Any) -> Any:
    """Return the filter on equality: a text and a number are equal if they read the same."""
    made: list[Any] = [_field(key, models.MatchValue(value=_text(value)))]
    if isinstance(value, str) and value != _text(value):
        made.append(_field(key, models.MatchValue(value=value)))
    if isinstance(value, bool):
        made.append(_field(key, models.MatchValue(value=value)))
    number = _number(value)
    if number is not None:
        made.append(models.FieldCondition(key=key, range=models.Range(gte=number, lte=number)))
        if number >= FIRST_TIME and (at := _moment(number)) is not None:
            made.append(models.FieldCondition(key=key, range=models.DatetimeRange(gte=at, lte=at)))
            made.append(_field(key, models.MatchValue(value=at.date().isoformat())))
    if isinstance(value, str) and value.lower() in ("true", "false"):
        made.append(_field(key, models.MatchValue(value=value.lower() == "true")))
    return models.Filter(should=made)


def _time(key: str, word: str, value: Any) -> Any:
    at = _moment(value) or datetime.fromtimestamp(0, UTC)  # other values were refused when they were read
    bound = TIMES[word][0]
    return models.Filter(
        should=[
            models.FieldCondition(key=key, range=models.Range(**{bound: at.timestamp()})),
            models.FieldCondition(key=key, range=models.DatetimeRange(**{bound: at})),
        ]
    )


def _nothing() -> models.Filter:
    return models.Filter(must=[models.HasIdCondition(has_id=[])])
