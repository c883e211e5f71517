"""Convert payloads to plain JSON: users' metadata may hold other values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from indexes.errors import StoreError
from indexes.registry import later
from indexes.text.characters import valid

if TYPE_CHECKING:
    import numpy as np
else:
    np = later("numpy")


def plain_json(value: Any, place: str = "") -> Any:
    """Convert a value to dicts with text keys, lists, text, numbers, booleans and None.

    Dates become ISO text; paths, UUIDs and decimals text; sets sorted lists; enum members their values; integers of
    more than 64 bits floats; lone surrogates (from file names that are not UTF-8) U+FFFD.

    >>> plain_json({"day": date(2026, 3, 18), "tags": {"b", "a"}})
    {'day': '2026-03-18', 'tags': ['a', 'b']}

    Args:
        place: path of the value ("metadata.day"), for the error.

    Raises:
        StoreError: the value has no JSON form (NaN, bytes, an object).
    """
    if isinstance(value, Enum):
        return plain_json(value.value, place)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else _huge(value)
    if isinstance(value, str):
        return valid(str(value))
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {valid(str(key)): plain_json(item, f"{place}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(item, place) for item in value]
    if isinstance(value, np.generic):
        return plain_json(value.item(), place)
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist(), place)
    if isinstance(value, (set, frozenset)):
        return sorted((plain_json(item, place) for item in value), key=str)
    if isinstance(value, (date, time)):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, (PurePath, UUID, Decimal)):
        return plain_json(str(value), place)
    if hasattr(value, "model_dump"):
        return plain_json(value.model_dump(mode="json"), place)
    raise StoreError(
        f"{value!r:.80} at {place or 'the payload'} cannot be stored: it has no JSON form",
        remedy="make it text, a number, a boolean, a list or a dict, or leave it out of the metadata",
    )


def _huge(value: int) -> float | str:
    """Convert an integer of more than 64 bits to a float, as JSON readers do, or to text if it is too large."""
    try:
        return float(value)
    except OverflowError:
        return f"{value:#x}"
