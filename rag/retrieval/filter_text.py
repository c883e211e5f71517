"""Parse ``--filter`` conditions into conditions on metadata."""

from __future__ import annotations

import re
from typing import Any

from indexes.errors import SettingsError
from indexes.store.filters import Where, Wheres

# The longest come first, so that '>=' is not read as '>'.
OPERATORS = {"!=": "!=", ">=": ">=", "<=": "<=", "~=": "text_match", "==": "==", "=": "==", ">": ">", "<": "<"}
CONDITION = re.compile(r"\s*(?P<key>[^\s=<>!~]+)\s*(?P<operator>[!<>~=]=|[=<>])\s*(?P<value>.*?)\s*", re.DOTALL)
LIST = re.compile(r"\s*(?P<key>\S+)\s+(?P<negated>not\s+)?in\s+(?P<value>.+?)\s*", re.DOTALL)
MONTH = re.compile(r"(\d{4})[-/](\d{1,2})(?:[-/](\d{1,2}))?")
INTEGER = re.compile(r"[-+]?[0-9]+")
NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]{1,2})?", re.IGNORECASE)
LONGEST_NUMBER = 300  # characters; the largest float has 309 digits
_SETS = {"==": "in", "!=": "nin"}
_ORDERED = (">", ">=", "<", "<=")
_DAY = re.compile(r"((?:1\d|20|21)\d\d)(?:(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))?")
EMPTY = re.compile(r"\s*(?P<key>\S+)\s+is\s+empty\s*")


def parse_filters(conditions: tuple[str, ...]) -> Wheres | None:
    """Join conditions by "and"; return None if there are none.

    A condition is ``key=value``, ``!=``, ``>``, ``>=``, ``<``, ``<=``, ``key~=words`` (text match), ``key in a,b``,
    ``key not in a,b`` or ``key is empty``. Numbers and true/false are compared as such and as text, since only the
    collection knows its types; '"3"' in quotes is text only. Dates after ``>``, ``>=``, ``<``, ``<=`` may be a year, or
    a year and a month; 2024 and 20240506 are compared both as numbers and as dates.

    >>> parse_filters(("page>=3", "source in a.md,b.md"))
    Wheres(filters=[Where(key='page', value=3, operator='>='), Where(key='source', value=['a.md', 'b.md'],
     operator='in')], condition='and')
    >>> parse_filters(()) is None
    True

    Raises:
        SettingsError: a condition cannot be parsed.
    """
    if not conditions:
        return None
    found: list[Where | Wheres] = []
    for condition in conditions:
        key, operator, value = parse_condition(condition)
        day = _day(value) if operator in _ORDERED else None
        one = Where(key, value, operator)
        found.append(one if day is None else Wheres([one, Where(key, day, operator)], "or"))
    return Wheres(found)


def parse_condition(condition: str) -> tuple[str, str, Any]:
    """Split a condition into key, operator and value.

    >>> parse_condition("page>=3"), parse_condition("page=3")
    (('page', '>=', 3), ('page', 'in', [3, '3']))
    """
    if match := CONDITION.fullmatch(condition):
        operator = OPERATORS[match["operator"]]
        text = match["value"]
        if operator in _SETS:
            values = _values(text)
            return (match["key"], _SETS[operator], values) if len(values) > 1 else (match["key"], operator, values[0])
        return match["key"], operator, text if operator == "text_match" else _bound(text)
    if match := LIST.fullmatch(condition):
        parts = [part.strip() for part in match["value"].split(",") if part.strip()]
        return match["key"], "nin" if match["negated"] else "in", [value for part in parts for value in _values(part)]
    if match := EMPTY.fullmatch(condition):
        return match["key"], "is_empty", None
    raise SettingsError(
        f"cannot parse the condition --filter {condition!r}",
        remedy="write key=value, key!=value, key>=3, key~=words, 'key in a,b' or 'key is empty'",
    )


def _values(text: str) -> list[Any]:
    """Return the values that a text may stand for: 3 is the number or the text "3"."""
    if _quoted(text):
        return [text[1:-1]]
    if text.lower() in ("true", "false"):
        return [text.lower() == "true", text]
    number = _number(text)
    return [text] if number is None else [number, text]


def _bound(text: str) -> Any:
    """Return a number, a date in ISO form (of 2025-03 and 2025/3/9 too), or the text."""
    if _quoted(text):
        text = text[1:-1]
    elif (number := _number(text)) is not None:
        return number
    if match := MONTH.fullmatch(text):
        return f"{match[1]}-{int(match[2]):02}-{int(match[3] or 1):02}"
    return text


def _day(number: Any) -> str | None:
    """Return the date that a number may stand for: 2024 is 2024-01-01, 20240506 is 2024-05-06."""
    match = _DAY.fullmatch(str(number)) if isinstance(number, int) else None
    return f"{match[1]}-{match[2] or '01'}-{match[3] or '01'}" if match else None


def _quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"


def _number(text: str) -> int | float | None:
    if not NUMBER.fullmatch(text) or len(text) > LONGEST_NUMBER:
        return None
    return int(text) if INTEGER.fullmatch(text) else float(text)
