"""Damage can be mended: every kind of broken file is named in one sentence, hides nothing else, and is repaired."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document

from indexes import build_index, open_index
from indexes.errors import CollectionNotFoundError, RagWrightError, StoreError
from indexes.manifest.dropping import count_of, drop_collection
from indexes.manifest.repair import mend_files
from indexes.settings.sections import IndexSettings, StoreSettings
from indexes.store.client import open_engine
from indexes.store.edge.client import EdgeClient
from indexes.store.generations import base_names
from tests.indexes.store.store_fixtures import FakeEncoder

pytestmark = pytest.mark.slow
NAMES = ("hen", "goat", "owl", "bee", "fox", "elk")
DOCUMENTS = [
    Document(text=" ".join(f"The {name} number {i} sits on branch {i}." for i in range(4)), id_=name) for name in NAMES
]
COUNT = 4 * len(DOCUMENTS)


def settings_of(folder: Path) -> IndexSettings:
    return IndexSettings(store=StoreSettings(path=folder, min_free_mb=1))


def build(settings: IndexSettings, collection: str = "default") -> Any:
    return closing(build_index(DOCUMENTS, settings=settings, encoder=FakeEncoder(), collection=collection))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "store"
    with build(settings_of(folder)), build(settings_of(folder), "other"):
        pass
    return folder


@pytest.fixture
def settings(template: Path, tmp_path: Path) -> Iterator[IndexSettings]:
    os.system(f"cp -a --sparse=always '{template}' '{tmp_path}/store'")
    yield settings_of(tmp_path / "store")
    shutil.rmtree(tmp_path / "store", ignore_errors=True)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write((b"\xa5\x5a\x17garbage" * 7000)[: max(path.stat().st_size, 40)])


def zeroed(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(min(path.stat().st_size, 1 << 16)))


def removed(path: Path) -> None:
    path.unlink()


SEGMENT = "edge/default/shard/segments/*"
QUICK: list[tuple[str, Callable[[Path], None]]] = [
    ("edge/default/collection.json", removed),
    ("edge/default/lock", overwritten),
    (f"{SEGMENT}/segment.json", truncated),  # its segment is lost, and only what the log holds can be read
    (f"{SEGMENT}/mutable_id_tracker.mappings", truncated),
    (f"{SEGMENT}/payload_index/*/has_values/status.dat", emptied),  # a panic of the engine's
    (f"{SEGMENT}/vector_storage-dense/vectors/chunk_0.mmap", emptied),  # it opens, and only reading vectors fails
    ("manifests/default.sqlite", truncated),
    ("manifests/default.sqlite", removed),
    ("manifests/default.journal", overwritten),
]
# The rest of the kinds: ``make torture``.
DAMAGE: list[tuple[str, Callable[[Path], None]]] = [
    ("edge/default/collection.json", emptied),
    ("edge/default/shard/edge_config.json", zeroed),
    ("edge/default/shard/wal/open-1", overwritten),
    (f"{SEGMENT}/payload_storage/page_0.dat", zeroed),
    (f"{SEGMENT}/payload_storage/tracker.dat", removed),
    (f"{SEGMENT}/payload_index/config.json", removed),
    (f"{SEGMENT}/vector_storage-dense/vectors/chunk_0.mmap", zeroed),
    ("manifests/default.sqlite", overwritten),
]


@pytest.mark.parametrize(
    ("pattern", "damage"), QUICK, ids=[f"{pattern.rsplit('/', 1)[-1]} {how.__name__}" for pattern, how in QUICK]
)
def test_damage_is_named_hides_nothing_and_is_mended(
    settings: IndexSettings, pattern: str, damage: Callable[[Path], None]
) -> None:
    check_damage(settings, pattern, damage)


def check_damage(settings: IndexSettings, pattern: str, damage: Callable[[Path], None]) -> None:
    """Damage a file of the collection, look at what is said of it, mend it, and read again what was lost."""
    if pattern.endswith(".journal"):
        (settings.store.path / pattern).write_bytes(bytes(100))
    (path,) = list(settings.store.path.glob(pattern))[:1]
    damage(path)
    with closing(open_engine(settings.store)) as client:
        assert base_names(client) == ["default", "other"]
    with closing(open_index("other", settings=settings, check_model=False)) as other:
        assert other.count == COUNT
    try:
        with closing(open_index(settings=settings, check_model=False)) as index:
            assert len(list(index.store.pages(100))) >= 1 and len(index.documents()) <= len(NAMES)
    except RagWrightError as error:
        assert "\n" not in str(error) and ("default" in str(error)), str(error)
        assert "verify --repair" in str(error), str(error)
    with closing(open_engine(settings.store)) as client:
        mend_files(client, "default", settings.store)
        assert mend_files(client, "default", settings.store) == []
    with closing(open_index(settings=settings, check_model=False)) as index:
        mended = index.verify(repair=True, deep=True)
        assert mended.sound
    with build(settings) as index:  # what was lost is read again, from its documents
        assert index.count == COUNT
        assert index.verify(deep=True).differences == []
        assert index.vector_store.get_nodes()[0].get_content()


@pytest.mark.parametrize(
    "pattern", ["edge/default/collection.json", f"{SEGMENT}/segment.json", "manifests/default.sqlite"]
)
def test_a_damaged_collection_can_always_be_deleted(settings: IndexSettings, pattern: str) -> None:
    (path,) = list(settings.store.path.glob(pattern))[:1]
    overwritten(path)
    with closing(open_engine(settings.store)) as client:
        assert count_of(client, "default") in (None, COUNT)
        assert drop_collection(client, "default", settings.store) == ["default"]
        assert base_names(client) == ["other"]
    with build(settings) as index:
        assert index.count == COUNT


def test_a_record_without_its_copy_is_refused_with_the_way_out(settings: IndexSettings) -> None:
    for name in ("collection.json", "collection.copy.json"):
        emptied(settings.store.path / "edge" / "default" / name)
    with closing(open_engine(settings.store)) as client:
        with pytest.raises(StoreError, match=r"and so is the copy of it; .*rag delete --all --collection default"):
            mend_files(client, "default", settings.store)
        with pytest.raises(CollectionNotFoundError):
            mend_files(client, "nowhere", settings.store)


def test_damaged_second_names_are_made_again(tmp_path: Path) -> None:
    with EdgeClient(tmp_path, min_free_mb=1) as client:
        (tmp_path / "aliases.json").write_text("[1")
        with pytest.raises(StoreError, match=r"aliases\.json, is damaged; mend it with: rag verify --repair"):
            client.get_aliases()
        client.forget_aliases()
        assert client.get_aliases().aliases == []


def test_deep_finds_another_text_and_another_vector(settings: IndexSettings) -> None:
    with closing(open_index(settings=settings, check_model=False)) as index:
        assert index.verify(deep=True).differences == []
        (first,) = index.document("hen")[:1]
        index.client.set_payload("default", {"text": "Something else."}, points=[first.id])
        (second,) = index.document("owl")[:1]
        (record,) = index.client.retrieve("default", [second.id], with_vectors=True)
        vector = {"dense": record.vector["dense"][::-1], "sparse": record.vector["sparse"]}
        from qdrant_client import models

        index.client.upsert("default", [models.PointStruct(id=second.id, vector=vector, payload=record.payload)])
        assert index.verify().differences == []
        found = index.verify(deep=True)
        assert {(item.doc_id, item.problem) for item in found.differences} == {("hen", "texts"), ("owl", "vectors")}
        assert index.verify(deep=True, repair=True).read_again == ["hen", "owl"]
    with build(settings) as index:
        assert index.count == COUNT and index.verify(deep=True).differences == []
