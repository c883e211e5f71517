"""Counts of what a collection's nodes are like: written by a run, read without opening anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_index.core.schema import Document, TextNode

from indexes import build_index, reindex
from indexes.ingest.node_counts import NodeCounts, recorded_counts
from indexes.settings.sections import IndexSettings, StoreSettings
from rag.doctor.store import check_nodes
from tests.indexes.words_model import words_model


def test_a_chinese_sentence_is_no_fragment_for_its_few_characters(tmp_path: Path) -> None:
    settings = IndexSettings(store=StoreSettings(path=tmp_path / "store"))
    texts = ["员工每年有二十五天年假。", "年假须申请。", "The boat is red.", "The ferry sails at nine."]
    nodes = [TextNode(text=text, id_=f"n{i}") for i, text in enumerate(texts)]
    with build_index(nodes, settings=settings, encoder=words_model(1)) as index:
        assert recorded_counts(index.store.record()) == NodeCounts(4, 4, marks=0, short=2, numbers=0, chinese=2)


def test_a_run_counts_and_a_reindex_keeps_the_counts(tmp_path: Path) -> None:
    settings = IndexSettings(store=StoreSettings(path=tmp_path / "store"))
    documents = [Document(text="The ferry sails at nine each morning. It is red.", id_="ferry")]
    with build_index(documents, settings=settings, encoder=words_model(1)) as index:
        assert recorded_counts(index.store.record()) == NodeCounts(2, 2, marks=0, short=1, numbers=0, chinese=0)
        nodes = [TextNode(text=text, id_=f"n{i}") for i, text in enumerate(["1204 1187", "a * b"])]
        index.add(nodes)
        assert recorded_counts(index.store.record()) == NodeCounts(4, 4, marks=0, short=3, numbers=1, chinese=0)
    reindex(settings=settings, encoder=words_model(2))
    with build_index(documents, settings=settings, encoder=words_model(2)) as index:
        counts = recorded_counts(index.store.record())
        assert counts is not None and counts.nodes == 4


@pytest.mark.parametrize(
    ("counts", "status", "said"),
    [
        (
            NodeCounts(100, 100, 0, 10, 5),
            "ok",
            "100 nodes: 0.0 % without a letter or digit, 10.0 % under 20 characters",
        ),
        (NodeCounts(100, 100, 9, 10, 5), "warn", "take the places of sentences"),
        (NodeCounts(9000, 2000, 0, 1500, 900), "warn", "many nodes are numbers"),
        (NodeCounts(9000, 2000, 0, 1500, 10), "warn", "most nodes are fragments"),
    ],
)
def test_the_doctor_shows_them(counts: NodeCounts, status: str, said: str) -> None:
    [check] = check_nodes("guide", {"nodes": counts.as_dict()})
    assert check.status == status
    assert said in f"{check.found} {check.remedy}"
    assert check_nodes("guide", {}) == []
