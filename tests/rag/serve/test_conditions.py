"""Dify's 18 operators: the engine's filter and the predicate agree with each other and with Dify's meaning."""

from __future__ import annotations

import random
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from indexes.store.models.as_qdrant import to_qdrant
from rag.serve.dify.conditions import KNOWN, read_conditions
from rag.serve.errors import Problem
from rag.serve.wire import document_id

DOCUMENTS: list[dict[str, Any]] = [
    {"title": "Handbook 2024", "year": 2024, "tags": ["hr", "leave"], "date": "2024-03-18", "owner": ""},
    {"title": "handbook old", "year": "2023", "tags": ["hr"], "date": "2023-12-31", "draft": True},
    {"title": "Price list", "year": 2022.0, "date": "2024-03-18T10:00:00+00:00", "at": 1710756000},
    {"title": "说明书", "at": 1710720000, "year": None},
    {},
]
DAY = 1710720000  # 2024-03-18T00:00:00Z


@pytest.fixture(scope="module")
def client() -> QdrantClient:
    made = QdrantClient(":memory:")
    made.create_collection("notes", vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))
    points = [
        models.PointStruct(id=place, vector=[1.0, 0.0], payload={"doc_id": f"doc{place}", "metadata": metadata})
        for place, metadata in enumerate(DOCUMENTS)
    ]
    made.upsert("notes", points)
    return made


def ids(holds: Any) -> list[str]:
    names = [f"doc{place}" for place in range(len(DOCUMENTS))]
    return [name for name in names if holds(document_id(name), name)]


def by_engine(client: QdrantClient, condition: dict[str, Any]) -> set[int]:
    found, _ = client.scroll("notes", scroll_filter=to_qdrant(read_conditions(condition).to_filter(ids)), limit=100)
    return {int(point.id) for point in found}


def by_predicate(condition: dict[str, Any]) -> set[int]:
    wanted = read_conditions(condition)
    return {place for place, metadata in enumerate(DOCUMENTS) if wanted.holds(metadata, f"doc{place}")}


def one(name: Any, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"conditions": [{"name": name, "comparison_operator": operator, "value": value}], **more}


CASES = [
    ("title", "contains", "Hand", {0}),
    ("title", "not contains", "Hand", {1, 2, 3}),
    ("title", "start with", "hand", {1}),
    ("title", "end with", "2024", {0}),
    ("title", "is", "说明书", {3}),
    ("title", "is not", "说明书", {0, 1, 2}),
    ("year", "is", "2024", {0}),
    ("year", "=", 2023, {1}),
    ("year", "≠", 2024, {1, 2}),
    ("year", "in", "2022, 2023", {1, 2}),
    ("year", "in", [], set()),
    ("year", "not in", ["2024"], {1, 2}),
    ("year", "not in", [], {0, 1, 2, 3, 4}),
    ("tags", "is", "leave", {0}),
    ("owner", "empty", None, {0, 1, 2, 3, 4}),
    ("year", "empty", None, {3, 4}),
    ("year", "not empty", None, {0, 1, 2}),
    ("year", "null", None, {3, 4}),
    ("at", ">", DAY, {2}),
    ("at", "≤", str(DAY), {3}),
    ("date", "before", DAY, {1}),
    ("date", "after", "2024-03-18T01:00:00Z", {2}),
    ("date", "is", DAY, {0}),
    ("draft", "is", "true", {1}),
    ("missing", "is not", "x", set()),
    (["title", "date"], "contains", "2023-12", {1}),
    ("document_name", "start with", "Price", {2}),
    ("document_id", "is", document_id("doc2"), {2}),
]


@pytest.mark.parametrize(("name", "operator", "value", "wanted"), CASES)
def test_what_each_operator_means(client: QdrantClient, name: Any, operator: str, value: Any, wanted: set[int]) -> None:
    condition = one(name, operator, value)
    assert by_predicate(condition) == wanted
    found = by_engine(client, condition)
    if operator == "end with":
        assert wanted <= found  # asked more widely, then checked on the result
        assert read_conditions(condition).check is not None
    elif (name, operator) != ("year", ">"):
        assert found == wanted


def test_the_engine_and_the_predicate_agree_on_random_trees(client: QdrantClient) -> None:
    rng = random.Random(5)
    values = {"title": "hand", "year": 2023, "tags": "hr", "date": DAY, "at": DAY, "draft": "true"}
    for _ in range(300):
        rows = []
        for _ in range(rng.randint(1, 3)):
            name = rng.choice(list(values))
            operator = rng.choice(["contains", "not contains", "start with", "is", "is not", "in", "not in", "empty"])
            if name in ("at", "date") and rng.random() < 0.5:
                operator = rng.choice(["before", "after"])
            text_only = operator in ("contains", "not contains", "start with")
            if text_only and name not in ("title", "date", "tags"):
                operator = "is"
            rows.append({"name": name, "comparison_operator": operator, "value": values[name]})
        condition = {"logical_operator": rng.choice(["and", "or"]), "conditions": rows}
        assert by_engine(client, condition) == by_predicate(condition), condition


def test_conditions_as_clients_really_send_them() -> None:
    assert not read_conditions(None).items
    assert not read_conditions({"conditions": None, "logical_operator": None}).items
    assert not read_conditions(one("year", "is")).items  # a value of null is skipped, as Dify does
    assert read_conditions(one("year", "\u2265", "3", logical_operator="or")).any_of


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (one("year", "like", "x"), "unknown comparison_operator"),
        (one("year", "is", "{{#start.year#}}"), r"\{\{#start.year#\}\}"),
        (one("year", ">", "soon"), "does not compare with a number"),
        (one("", "is", 1), "name"),
        ({"conditions": "x"}, "not a list"),
        ([], "not an object"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(condition: Any, words: str) -> None:
    with pytest.raises(Problem, match=words) as caught:
        read_conditions(condition)
    assert caught.value.code == "bad_request"


def test_the_known_operators_are_those_of_dify() -> None:
    assert len(KNOWN) == 18
