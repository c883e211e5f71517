"""Indexes of the metadata that filters may name.

Without one, a search with such a filter reads the metadata of every sentence: 260 ms at 100,000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

SAMPLED = 500  # points whose metadata are looked at; ids are hashes, so the first ones are a random sample
MOST = 12  # fields, the most frequent ones
LONGEST = 200  # characters of an indexed value; longer ones are texts
KINDS = {str: "keyword", int: "integer", float: "float", bool: "bool"}


def fields_to_index(metadata: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return field -> kind for the keys whose values, or items of lists, are all of one type.

    >>> fields_to_index([{"year": 2024, "tags": ["a", "b"], "mixed": 1}, {"mixed": "one", "a.b": "c"}])
    {'metadata.year': 'integer', 'metadata.tags': 'keyword'}
    """
    times: Counter[str] = Counter()
    kinds: dict[str, set[str | None]] = {}
    for one in metadata:
        for key, value in one.items():
            values = value if isinstance(value, list) else [value]
            times[key] += 1
            kinds.setdefault(key, set()).update(_kind(item) for item in values if item is not None)
    usable = [key for key, _ in times.most_common() if len(kinds[key]) == 1 and _is_plain(key)]
    one_kind = [(key, kind) for key in usable if (kind := next(iter(kinds[key]))) is not None]
    return {f"metadata.{key}": kind for key, kind in one_kind[:MOST]}


def _kind(value: Any) -> str | None:
    return None if isinstance(value, str) and len(value) > LONGEST else KINDS.get(type(value))


def _is_plain(key: str) -> bool:
    """Return whether a key is one step of a path in the payload."""
    return key.replace("-", "_").isidentifier()
