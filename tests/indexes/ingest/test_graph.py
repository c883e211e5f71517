"""A run that makes a collection large builds its graph, and what it stored stays whatever becomes of that."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_index.core import Document

from indexes import build_index
from indexes.ingest.report import Progress
from indexes.settings.sections import IndexSettings, StoreSettings
from indexes.store.edge.building import build
from tests.indexes.store.store_fixtures import FakeEncoder


def texts(count: int) -> list[Document]:
    return [Document(text=f"The hen {n} lays an egg. It eats barley. It sleeps.", doc_id=f"d{n}") for n in range(count)]


def test_a_run_builds_the_graph_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = IndexSettings(store=StoreSettings(path=tmp_path, min_free_mb=1, hnsw_from=15))
    told: list[Progress] = []
    with build_index(texts(4), settings=settings, encoder=FakeEncoder()) as index:
        assert index.report is not None and index.report.graph is None  # too small
        report = index.add(texts(6), progress=told.append)
        assert report.graph is not None and report.graph.points == 18
        assert told[-1].current == "the graph of 18 sentences"
        assert report.as_dict()["graph"] == index.store.record()["graph"]
        assert index.add(texts(6)).graph is None  # unchanged
        assert index.add(texts(7)).graph is None  # it is still good
        monkeypatch.setattr(build, "CODE", "raise SystemExit('out of luck')")
        report = index.add(texts(12))
        assert report.graph is None
        assert report.no_graph is not None
        assert "was not built, so search stays exact" in report.no_graph and "out of luck" in report.no_graph
        assert index.count == 36
