"""Fixtures of the store's tests; what tests import by name stands in store_fixtures.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient

from indexes.settings.sections import StoreSettings
from indexes.store.edge.client import EdgeClient
from tests.indexes.store.store_fixtures import FakeEncoder


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[EdgeClient]:
    client = EdgeClient(tmp_path / "edge", min_free_mb=1)
    yield client
    client.close()


@pytest.fixture
def memory() -> QdrantClient:
    return QdrantClient(":memory:")


@pytest.fixture(params=["edge", "memory"])
def engine(request: pytest.FixtureRequest) -> Any:
    """Every test with this fixture runs on the embedded engine and on qdrant-client's own."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(path=tmp_path / "store", min_free_mb=1)
