"""What says nothing by itself is not a search unit: it is text of its neighbour, and windows stay whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import Document

from indexes.nodes import iter_records
from indexes.nodes.record import join_records
from indexes.text.units import says_nothing


def texts(text: str) -> list[str]:
    return [record.text for record in iter_records(Document(text=text, id_="d"))]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("The ferry sails.\n\n* * *\n\nIt is late.", ["The ferry sails.\n\n* * *", "It is late."]),
        ("渡船开了。\n\n——\n\n天黑了。", ["渡船开了。\n\n——", "天黑了。"]),
        ("$\n\nThe toll is five.", ["$\n\nThe toll is five."]),
        ("Tolls\n$\n1,204\n1,187\nFreight\n88\n91", ["Tolls\n$\n1,204\n1,187\nFreight\n88\n91"]),
        ("收入\n1204\n1187", ["收入\n1204\n1187"]),
    ],
)
def test_marks_numbers_and_labels_join(text: str, units: list[str]) -> None:
    assert texts(text) == units


@pytest.mark.parametrize(
    "text",
    [
        "The ferry sails at nine. It returns at ten.",
        "渡船九点开。好。十点回来。",
        "- 12 ropes\n- 14 hooks",
        "It cost 1204.\n\n1187 were sold.",
        "A fair wind\nA calm sea",
    ],
)
def test_sentences_items_and_verses_stay(text: str) -> None:
    assert len(texts(text)) > 1


def test_units_of_numbers_are_a_few_hundred_characters_long() -> None:
    units = texts("\n".join(str(10_000 + n) for n in range(400)))
    assert 5 < len(units) < 12 and max(map(len, units)) <= 300


@given(st.text(alphabet="Ab c1.\n—$。好", max_size=200))
def test_nothing_is_lost_and_offsets_hold(text: str) -> None:
    records = list(iter_records(Document(text=text, id_="d")))
    assert [record.position for record in records] == list(range(len(records)))
    assert all(text[record.start : record.end] == record.text for record in records)
    assert join_records(records) == text.strip() or not records
    assert len(records) < 2 or not any(says_nothing(record.text) for record in records)
