"""Fixtures of ingestion: MiniLM loaded once for the room, and settings with a store of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexes.encoders import build_encoder
from indexes.encoders.base import Encoder
from indexes.settings.sections import EncoderSettings, IndexSettings, StoreSettings

MINILM = EncoderSettings(provider="minilm", model="minilm")


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return build_encoder(IndexSettings(encoder=MINILM))


@pytest.fixture
def settings(tmp_path: Path) -> IndexSettings:
    return IndexSettings(encoder=MINILM, store=StoreSettings(path=tmp_path / "store"))
