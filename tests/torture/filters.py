"""Random filter trees over metadata of every kind, in the embedded engine and in an oracle of a few lines."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilters

from indexes.errors import StoreError
from indexes.store.edge.client import EdgeClient
from indexes.store.filters import to_qdrant_filter
from indexes.store.models.metadata_filter import Condition
from tests.indexes.store.store_fixtures import fill, make_records
from tests.torture.children import main

POINTS = 300
VALUES: dict[str, list[Any]] = {
    "lang": ["en", "zh", "中文", "a,b", ""],
    "page": [1, 2, 3, -5, 10**17, 0],
    "score": [0.5, 1.5, -2.25, 3, 1e30],
    "draft": [True, False],
    "mixed": [1, "1", True, "true", 2.5],
    "tags": [["a", "b"], ["b", 3], [True, "x"], ["中文"], []],
    "day": ["2024-01-05", "2024-03-01", "2025-12-31"],
}
ORDERED = {"page", "score", "day"}
Op = FilterOperator


def condition(draw: random.Random) -> Condition:
    key = draw.choice(list(VALUES))
    pool = [item for value in VALUES[key] for item in (value if isinstance(value, list) else [value])] + ["none", 7]
    operators = [Op.EQ, Op.NE, Op.IN, Op.NIN, Op.IS_EMPTY] + ([Op.GT, Op.GTE, Op.LT, Op.LTE] if key in ORDERED else [])
    operator = draw.choice(operators)
    value: Any = None
    if operator in (Op.IN, Op.NIN):
        value = draw.sample(pool, draw.randrange(1, 4))
    elif operator != Op.IS_EMPTY:
        same = [item for item in pool if isinstance(item, str) == (key == "day")] if key in ORDERED else pool
        value = draw.choice([item for item in same if item != "none"] if operator not in (Op.EQ, Op.NE) else pool)
    return Condition(key=key, operator=operator, value=value)


def tree(draw: random.Random, depth: int = 0) -> MetadataFilters:
    found: list[Any] = []
    for _ in range(draw.randrange(1, 4)):
        found.append(tree(draw, depth + 1) if depth < 3 and draw.random() < 0.35 else condition(draw))
    return MetadataFilters(filters=found, condition=draw.choice(list(FilterCondition)))


def equal(one: Any, other: Any) -> bool:
    """1 is 1.0, and neither is True or "1"."""
    if isinstance(one, bool) or isinstance(other, bool) or isinstance(one, str) or isinstance(other, str):
        return type(one) is type(other) and one == other
    return float(one) == float(other)


def meets(metadata: dict[str, Any], item: Any) -> bool:
    """The oracle."""
    if isinstance(item, MetadataFilters):
        found = [meets(metadata, one) for one in item.filters]
        if item.condition == FilterCondition.OR:
            return any(found)
        return not any(found) if item.condition == FilterCondition.NOT else all(found)
    value = metadata.get(item.key)
    there = value if isinstance(value, list) else [] if value is None else [value]
    if item.operator == Op.IS_EMPTY:
        return not there
    wanted = item.value if isinstance(item.value, list) else [item.value]
    if item.operator in (Op.EQ, Op.IN):
        return any(equal(one, other) for one in there for other in wanted)
    if item.operator in (Op.NE, Op.NIN):
        return bool(there) and not any(equal(one, other) for one in there for other in wanted)
    compare = {Op.GT: lambda a, b: a > b, Op.GTE: lambda a, b: a >= b, Op.LT: lambda a, b: a < b}
    right = item.value
    return any(
        compare.get(item.operator, lambda a, b: a <= b)(one, right)
        for one in there
        if isinstance(one, str) == isinstance(right, str)
    )


def campaign(draw: random.Random, ends: float, folder: Path) -> str:
    records = make_records("doc", [f"Sentence {number}." for number in range(POINTS)])
    for record in records:
        record.metadata = {key: draw.choice(values) for key, values in VALUES.items() if draw.random() < 0.8}
    asked = refused = 0
    with EdgeClient(folder, min_free_mb=0) as engine:
        fill(engine, "notes", records)
        while time.monotonic() < ends and asked < 5000:
            filters = tree(draw)
            asked += 1
            try:
                translated = to_qdrant_filter(filters)
            except StoreError:
                refused += 1
                continue
            points, _ = engine.scroll("notes", scroll_filter=translated, limit=POINTS + 1)
            found = {point.payload["position"] for point in points}
            expected = {record.position for record in records if meets(record.metadata, filters)}
            assert found == expected, (
                f"{filters.model_dump()}: {len(found)} points instead of {len(expected)}, such as "
                f"{[records[place].metadata for place in sorted(found ^ expected)[:2]]}"
            )
    assert refused < asked / 10, f"{refused} of {asked} filters were refused"
    return f"{asked} filter trees as the oracle says, {refused} refused"


if __name__ == "__main__":
    main(campaign)
