"""A collection moves between stores without encoding: embedded to embedded for real, a server over its wire."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_index.core import Document

from indexes import build_index, copy_collection, open_index
from indexes.copying import run
from indexes.errors import CollectionNotFoundError, DiskSpaceError, StoreError
from indexes.manifest.manifest import Manifest
from indexes.settings.sections import IndexSettings, StoreSettings
from indexes.store.client import open_engine
from indexes.store.collection import Collection
from indexes.store.edge.client import EdgeClient
from tests.indexes.store.rest_server import RestServer
from tests.indexes.store.store_fixtures import FakeEncoder

URL = "http://qdrant.example:6333"
QUESTION = "the hen lays an egg"


def settings_at(place: Path, **store: Any) -> IndexSettings:
    return IndexSettings(store=StoreSettings(path=place, min_free_mb=1, **store))


def texts(count: int, word: str = "egg") -> list[Document]:
    return [
        Document(
            text=f"The hen {n} lays an {word}. It eats barley {n}. 母鸡在梁上睡觉。",
            doc_id=f"d{n:02}",
            metadata={"n": n},
        )
        for n in range(count)
    ]


def fill(settings: IndexSettings, documents: list[Document], name: str = "farm") -> None:
    build_index(documents, collection=name, settings=settings, encoder=FakeEncoder()).close()


def answers(settings: IndexSettings, name: str = "farm") -> list[tuple[str, float, dict[str, Any]]]:
    encoded = FakeEncoder().encode_queries([QUESTION])
    assert encoded.sparse is not None
    with open_index(name, settings=settings, encoder=FakeEncoder()) as index:
        hits = index.store.hybrid_search(encoded.dense[0], encoded.sparse[0], limit=8)
        assert index.verify(deep=True).sound
        return [(hit.id, round(hit.score, 3), hit.payload) for hit in hits]


@pytest.fixture
def there(tmp_path: Path) -> IndexSettings:
    settings = settings_at(tmp_path / "here")
    fill(settings, texts(6))
    return settings


def test_a_copy_answers_as_the_collection_does(there: IndexSettings, tmp_path: Path) -> None:
    report = copy_collection("farm", to=tmp_path / "backup", settings=there)
    assert (report.documents, report.copied, report.sentences_copied, report.differences) == (6, 6, 18, 0)
    backup = settings_at(tmp_path / "backup")
    assert answers(backup) == answers(there)
    again = copy_collection("farm", to=tmp_path / "backup", settings=there)
    assert (again.copied, again.removed, again.resumed) == (0, 0, False)
    # The copy goes on as any collection: what is unchanged is known.
    with build_index(texts(7), collection="farm", settings=backup, encoder=FakeEncoder()) as index:
        assert index.report is not None
        assert [file.status for file in index.report.files] == ["unchanged"] * 6 + ["added"]
    with pytest.raises(StoreError, match="was written to after it had been copied"):
        copy_collection("farm", to=tmp_path / "backup", settings=there)
    shutil.rmtree(tmp_path / "here")  # the disk is gone, and the backup comes back
    back = copy_collection("farm", to=tmp_path / "here", settings=backup)
    assert (back.copied, back.differences) == (7, 0)
    assert answers(there) == answers(backup)


def test_a_copy_is_brought_up_to_date(there: IndexSettings, tmp_path: Path) -> None:
    copy_collection("farm", to=tmp_path / "backup", settings=there)
    fill(there, texts(2, "omelette"))
    with open_index("farm", settings=there, encoder=FakeEncoder()) as index:
        index.delete("d05")
        index.add([Document(text="A new hen came.", doc_id="d10")])
    report = copy_collection("farm", to=tmp_path / "backup", settings=there)
    assert (report.documents, report.copied, report.removed, report.differences) == (6, 3, 1, 0)
    assert answers(settings_at(tmp_path / "backup")) == answers(there)


def test_an_interrupted_copy_goes_on(there: IndexSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TOGETHER", 4)
    real, calls = run.put, []

    def put(*arguments: Any) -> None:
        real(*arguments)
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(run, "put", put)
    with pytest.raises(KeyboardInterrupt):
        copy_collection("farm", to=tmp_path / "backup", settings=there)
    manifest = Manifest(tmp_path / "backup" / "manifests" / "farm.sqlite")
    assert (len(list(manifest)), len(manifest.unfinished())) == (3, 1)
    manifest.close()
    report = copy_collection("farm", to=tmp_path / "backup", settings=there)
    assert (report.copied, report.resumed, report.differences) == (3, True, 0)
    assert answers(settings_at(tmp_path / "backup")) == answers(there)


def test_to_a_server_and_back(there: IndexSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real REST client, into an engine behind it."""
    edge = EdgeClient(tmp_path / "server", min_free_mb=0)
    server = RestServer(edge)

    def opened(store: StoreSettings) -> Any:
        return open_engine(store, transport=httpx.MockTransport(server)) if store.url else open_engine(store)

    monkeypatch.setattr(run, "open_engine", opened)
    report = copy_collection("farm", to=URL, settings=there)
    assert (report.target, report.copied, report.differences) == (URL, 6, 0)
    assert edge.count("farm").count == 18
    remote = settings_at(tmp_path / "here", url=URL)
    report = copy_collection("farm", to=tmp_path / "again", settings=remote)
    assert (report.source, report.copied, report.differences) == (URL, 6, 0)
    assert answers(settings_at(tmp_path / "again")) == answers(there)
    assert copy_collection("farm", to=URL, settings=there).copied == 0
    edge.close()


def test_what_is_refused(there: IndexSettings, tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFoundError, match="there is no collection 'barn'"):
        copy_collection("barn", to=tmp_path / "backup", settings=there)
    with pytest.raises(StoreError, match=r"lies in .* already"):
        copy_collection("farm", to=tmp_path / "backup" / ".." / "here", settings=there)
    fill(settings_at(tmp_path / "other"), texts(2))
    with pytest.raises(StoreError, match="holds a collection 'farm' that is not a copy of this one"):
        copy_collection("farm", to=tmp_path / "other", settings=there)
    tight = there.model_copy(update={"store": there.store.model_copy(update={"min_free_mb": 1 << 40})})
    with pytest.raises(DiskSpaceError):
        copy_collection("farm", to=tmp_path / "backup", settings=tight)
    assert not (tmp_path / "backup" / "edge" / "farm").exists()


def test_points_that_are_missing_are_said(there: IndexSettings, tmp_path: Path) -> None:
    with EdgeClient(tmp_path / "here" / "edge", min_free_mb=1) as engine:
        store = Collection(engine, "farm")
        [page] = store.pages(100, payload=["doc_id"])
        store.delete_points([next(identity for identity, payload in page if payload["doc_id"] == "d03")])
    with pytest.raises(StoreError, match=r"2 of 3 sentences of 'd03' are in collection 'farm'; .*rag verify --repair"):
        copy_collection("farm", to=tmp_path / "backup", settings=there)


def test_a_later_generation_becomes_the_first(there: IndexSettings, tmp_path: Path) -> None:
    from indexes.store.generations import Generations

    with EdgeClient(tmp_path / "here" / "edge", min_free_mb=1) as engine:
        generations = Generations(engine, "farm")
        copied = dict(generations.of("farm").record())
        generations.of("farm.2").ensure(
            FakeEncoder.fingerprint, idf=False, settings=there.store, extra={**generations.birth_record("farm.2")}
        )
        generations.switch("farm.2")
        assert copied["fingerprint"]["digest"] == FakeEncoder.fingerprint.digest
    report = copy_collection("farm", to=tmp_path / "backup", settings=there)
    assert (report.collection, report.documents) == ("farm", 0)
    with EdgeClient(tmp_path / "backup" / "edge", min_free_mb=1) as engine:
        assert Generations(engine, "farm").current() == "farm"
