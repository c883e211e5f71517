"""``--filter`` conditions -> LlamaIndex MetadataFilters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from indexes.errors import SettingsError

if TYPE_CHECKING:
    from llama_index.core.vector_stores import MetadataFilters

# Longest first, so that '>=' is not read as '>'.
OPERATORS = {"!=": "!=", ">=": ">=", "<=": "<=", "~=": "text_match", "==": "==", "=": "==", ">": ">", "<": "<"}
CONDITION = re.compile(r"\s*(?P<key>[^\s=<>!~]+)\s*(?P<operator>[!<>~=]=|[=<>])\s*(?P<value>.*?)\s*", re.DOTALL)
LIST = re.compile(r"\s*(?P<key>\S+)\s+(?P<negated>not\s+)?in\s+(?P<value>.+?)\s*", re.DOTALL)
EMPTY = re.compile(r"\s*(?P<key>\S+)\s+is\s+empty\s*")


def parse_filters(conditions: tuple[str, ...]) -> MetadataFilters | None:
    """All conditions joined by "and"; None when there are none.

    ``key=value``, ``!=``, ``>``, ``>=``, ``<``, ``<=``, ``key~=words`` (text match), ``key in a,b``,
    ``key not in a,b``, ``key is empty``. Numbers and true/false are compared as such; '"3"' in quotes is text.

    Raises:
        SettingsError: a condition of another shape.
    """
    if not conditions:
        return None
    from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

    found: list[MetadataFilter | MetadataFilters] = []
    for condition in conditions:
        key, operator, value = parse_condition(condition)
        # Not validated: LlamaIndex refuses true and false, which payloads hold.
        found.append(MetadataFilter.model_construct(key=key, operator=FilterOperator(operator), value=value))  # type: ignore[arg-type]
    return MetadataFilters(filters=found, condition=FilterCondition.AND)


def parse_condition(condition: str) -> tuple[str, str, object]:
    """("page", ">=", 3) of "page>=3"."""
    if match := CONDITION.fullmatch(condition):
        operator = OPERATORS[match["operator"]]
        text = match["value"]
        return match["key"], operator, text if operator == "text_match" else _value(text)
    if match := LIST.fullmatch(condition):
        values = [_value(part.strip()) for part in match["value"].split(",") if part.strip()]
        return match["key"], "nin" if match["negated"] else "in", values
    if match := EMPTY.fullmatch(condition):
        return match["key"], "is_empty", None
    raise SettingsError(
        f"--filter {condition!r} is no condition",
        remedy="write key=value, key!=value, key>=3, key~=words, 'key in a,b' or 'key is empty'",
    )


def _value(text: str) -> object:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    if re.fullmatch(r"[-+]?(\d+\.\d*|\.\d+)", text):
        return float(text)
    return text
