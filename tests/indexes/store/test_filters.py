"""LlamaIndex MetadataFilters on both legs, on both engines, against the meaning in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from qdrant_client.http import models

from indexes.encoders.base import SparseVector
from indexes.errors import FilterError
from indexes.nodes.record import SentenceRecord
from indexes.store.filters import both, field_key, to_qdrant_filter
from indexes.store.models.as_qdrant import to_qdrant
from indexes.store.models.metadata_filter import Condition
from tests.indexes.store.store_fixtures import DIM, fill, legs, on, sparse_rows

RECORDS = [
    SentenceRecord(
        doc_id=f"doc{i % 4}",
        position=i // 4,
        text=["孙悟空拔下一根毫毛", "The Rain fell", "rain and rain", "Nothing"][i % 4],
        section=i % 3,
        kind="code" if i % 10 == 0 else "text",
        metadata={
            "page": i % 6,
            "weight": i / 2,
            "draft": i % 2 == 0,
            "tags": ["x", "y", "z"][: i % 4],
            **({"lang": "zh" if i % 3 else "en"} if i % 5 else {}),
            "day": f"2025-01-{1 + i % 28:02d}",
            "numbers": [i % 3, 7],
        },
    )
    for i in range(60)
]

F, C, Op = MetadataFilter, Condition, FilterOperator


def meta(record: SentenceRecord, key: str) -> Any:
    return record.metadata.get(key)


CASES: dict[str, tuple[list[Any], Callable[[SentenceRecord], bool]]] = {
    "==": ([F(key="page", value=3)], lambda r: meta(r, "page") == 3),
    "== text": ([F(key="lang", value="zh")], lambda r: meta(r, "lang") == "zh"),
    "== float": ([F(key="weight", value=7.5)], lambda r: meta(r, "weight") == 7.5),
    "== bool": (
        [F.model_construct(key="draft", value=True, operator=Op.EQ)],
        lambda r: meta(r, "draft") is True,
    ),
    "a boolean": ([C(key="draft", value=True)], lambda r: meta(r, "draft") is True),
    "not a boolean": ([C(key="draft", value=False, operator=Op.NE)], lambda r: meta(r, "draft") is True),
    "a mixed list": ([C(key="page", value=[True, 3, "3", 2.0], operator=Op.IN)], lambda r: meta(r, "page") in (2, 3)),
    "a boolean or text": ([C(key="draft", value=[True, "true"], operator=Op.IN)], lambda r: meta(r, "draft") is True),
    "neither a boolean nor text": (
        [C(key="draft", value=[True, "true"], operator=Op.NIN)],
        lambda r: meta(r, "draft") is False,
    ),
    "a huge number": (
        [MetadataFilters(filters=[F(key="page", value=10**20), F(key="page", value=1)], condition=FilterCondition.OR)],
        lambda r: meta(r, "page") == 1,
    ),
    "above a huge number": (
        [
            MetadataFilters(
                filters=[F(key="page", value=-(10**20), operator=Op.LT), F(key="page", value=4, operator=Op.GT)],
                condition=FilterCondition.OR,
            )
        ],
        lambda r: meta(r, "page") > 4,
    ),
    "!=": ([F(key="page", value=3, operator=Op.NE)], lambda r: meta(r, "page") != 3),
    "!= leaves out what lacks the key": (
        [F(key="lang", value="zh", operator=Op.NE)],
        lambda r: meta(r, "lang") not in (None, "zh"),
    ),
    ">": ([F(key="page", value=3, operator=Op.GT)], lambda r: meta(r, "page") > 3),
    ">=": ([F(key="page", value=3, operator=Op.GTE)], lambda r: meta(r, "page") >= 3),
    "<": ([F(key="weight", value=7.5, operator=Op.LT)], lambda r: meta(r, "weight") < 7.5),
    "<=": ([F(key="weight", value=7.5, operator=Op.LTE)], lambda r: meta(r, "weight") <= 7.5),
    "date range": (
        [F(key="day", value="2025-01-10", operator=Op.GTE), F(key="day", value="2025-01-12", operator=Op.LT)],
        lambda r: "2025-01-10" <= meta(r, "day") < "2025-01-12",
    ),
    "in": ([F(key="page", value=[1, 2, 9], operator=Op.IN)], lambda r: meta(r, "page") in (1, 2)),
    "in text": ([F(key="lang", value=["en", "fr"], operator=Op.IN)], lambda r: meta(r, "lang") == "en"),
    "in commas": ([F(key="lang", value="en, fr", operator=Op.IN)], lambda r: meta(r, "lang") == "en"),
    "in mixed": ([F(key="weight", value=[1.5, 2.0], operator=Op.IN)], lambda r: meta(r, "weight") in (1.5, 2.0)),
    "nin": ([F(key="page", value=[1, 2], operator=Op.NIN)], lambda r: meta(r, "page") not in (1, 2)),
    "nin lacks": ([F(key="lang", value=["zh"], operator=Op.NIN)], lambda r: meta(r, "lang") == "en"),
    "nin list": (
        [F(key="tags", value=["y"], operator=Op.NIN)],
        lambda r: bool(r.metadata["tags"]) and "y" not in r.metadata["tags"],
    ),
    "any": ([F(key="tags", value=["y", "q"], operator=Op.ANY)], lambda r: "y" in meta(r, "tags")),
    "all": ([F(key="tags", value=["x", "z"], operator=Op.ALL)], lambda r: {"x", "z"} <= set(meta(r, "tags"))),
    "contains": ([F(key="numbers", value=2, operator=Op.CONTAINS)], lambda r: 2 in meta(r, "numbers")),
    "text_match Chinese": ([F(key="text", value="一根毫", operator=Op.TEXT_MATCH)], lambda r: "一根毫" in r.text),
    "text_match case": ([F(key="text", value="rain", operator=Op.TEXT_MATCH)], lambda r: "rain" in r.text),
    "text_match_insensitive": (
        [F(key="text", value="RAIN", operator=Op.TEXT_MATCH_INSENSITIVE)],
        lambda r: "rain" in r.text.lower(),
    ),
    "is_empty": ([F(key="lang", value=None, operator=Op.IS_EMPTY)], lambda r: meta(r, "lang") is None),
    "is_empty list": ([F(key="tags", value=None, operator=Op.IS_EMPTY)], lambda r: not meta(r, "tags")),
    "doc_id": ([F(key="doc_id", value="doc2")], lambda r: r.doc_id == "doc2"),
    "document_id": ([F(key="document_id", value="doc2")], lambda r: r.doc_id == "doc2"),
    "ref_doc_id": (
        [F(key="ref_doc_id", value=["doc1", "doc3"], operator=Op.IN)],
        lambda r: r.doc_id in ("doc1", "doc3"),
    ),
    "position": ([F(key="position", value=4, operator=Op.LT)], lambda r: r.position < 4),
    "section": ([F(key="section", value=2)], lambda r: r.section == 2),
    "kind": ([F(key="kind", value="code")], lambda r: r.kind == "code"),
    "and": (
        [F(key="page", value=2, operator=Op.GTE), F(key="lang", value="zh")],
        lambda r: meta(r, "page") >= 2 and meta(r, "lang") == "zh",
    ),
    "nested": (
        [
            MetadataFilters(
                filters=[
                    F(key="page", value=5),
                    MetadataFilters(
                        filters=[F(key="lang", value="en"), F(key="tags", value="z", operator=Op.CONTAINS)]
                    ),
                ],
                condition=FilterCondition.OR,
            ),
            MetadataFilters(filters=[F(key="doc_id", value="doc1")], condition=FilterCondition.NOT),
        ],
        lambda r: (meta(r, "page") == 5 or (meta(r, "lang") == "en" and "z" in meta(r, "tags"))) and r.doc_id != "doc1",
    ),
}


@pytest.mark.parametrize("label", CASES)
def test_filters_on_both_legs(engine_filled: Any, label: str) -> None:
    filters, meaning = CASES[label]
    chosen = to_qdrant_filter(MetadataFilters(filters=filters))
    terms = SparseVector(np.arange(40, dtype=np.uint32), np.ones(40, np.float32))
    dense, sparse = legs(on(engine_filled, "notes"), np.ones(DIM, np.float32), terms, limit=100, filters=chosen)
    expected = {record.id for record in RECORDS if meaning(record)}
    assert 0 < len(expected) < len(RECORDS), "the case distinguishes nothing"
    assert {hit.id for hit in dense} == expected
    assert {hit.id for hit in sparse} == expected
    assert all(SentenceRecord.from_payload(hit.payload).id == hit.id for hit in dense)


@pytest.fixture(scope="module", params=["edge", "memory"])
def engine_filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from qdrant_client import QdrantClient

    from indexes.store.edge.client import EdgeClient

    client: Any = (
        EdgeClient(tmp_path_factory.mktemp("edge"), min_free_mb=1)
        if request.param == "edge"
        else QdrantClient(":memory:")
    )
    fill(client, "notes", RECORDS)
    yield client
    client.close()


def test_or_and_not_at_the_top(engine_filled: Any) -> None:
    parts = [F(key="page", value=1), F(key="page", value=2)]
    ored, negated = (
        to_qdrant_filter(MetadataFilters(filters=parts, condition=condition))
        for condition in (FilterCondition.OR, FilterCondition.NOT)
    )
    assert engine_filled.count("notes", count_filter=to_qdrant(ored)).count == 20
    assert engine_filled.count("notes", count_filter=to_qdrant(negated)).count == 40


def test_nothing_to_ask_is_none() -> None:
    assert to_qdrant_filter(None) is None
    assert to_qdrant_filter(MetadataFilters(filters=[])) is None
    assert to_qdrant_filter(MetadataFilters(filters=[MetadataFilters(filters=[])])) is None
    assert both(None, None) is None
    one = models.Filter(must=[])
    assert both(None, one) is one


def test_keys() -> None:
    assert [field_key(key) for key in ("document_id", "page", "metadata.page", "text", "a.b")] == [
        "doc_id",
        "metadata.page",
        "metadata.page",
        "text",
        "metadata.a.b",
    ]


@pytest.mark.parametrize(
    "bad",
    [
        F.model_construct(key="page", value=3, operator="near"),
        F(key="page", value="seven", operator=Op.GT),
        F(key="page", value=[], operator=Op.IN),
        F(key="page", value=3, operator=Op.ANY),
        F(key="page", value=3, operator=Op.TEXT_MATCH),
        F(key="page", value=["a"], operator=Op.EQ),
        F(key="page", value=None, operator=Op.EQ),
        F(key="page", value=float("nan")),
        F(key="page", value=10**400),
        F(key="page", value=10**400, operator=Op.GT),
    ],
)
def test_what_cannot_be_asked_is_named(bad: MetadataFilter) -> None:
    with pytest.raises(FilterError, match=r"the filter 'page' .* cannot be applied by Qdrant"):
        to_qdrant_filter(MetadataFilters.model_construct(filters=[bad], condition=FilterCondition.AND))


def test_a_condition_is_made_of_any_filter_and_stands_for_one() -> None:
    made = Condition.of(F(key="page", value=3, operator=Op.GT))
    assert (made.key, made.value, made.operator) == ("page", 3, Op.GT)
    assert MetadataFilters(filters=[Condition(key="draft", value=True)]).filters[0].value is True  # type: ignore[union-attr]


def test_sparse_rows_are_sorted() -> None:
    rows = sparse_rows(np.random.default_rng(0), 3)
    assert all((np.diff(row.indices.astype(int)) > 0).all() for row in rows)
