"""Deleted means gone: no byte of a deleted text is left in any file of the store."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import Document

from indexes import build_index, open_index
from indexes.encoders.base import Encoded, Fingerprint
from indexes.errors import CollectionNotFoundError
from indexes.manifest import erasing
from indexes.manifest.dropping import drop_collection
from indexes.manifest.paths import feedback_path
from indexes.reindexing.run import reindex
from indexes.settings.sections import IndexSettings, StoreSettings
from indexes.store.client import open_engine
from indexes.store.edge.client import EdgeClient
from indexes.store.edge.folder import EdgeFolder
from rag.cli.commands.upkeep.delete import match
from tests.indexes.store.store_fixtures import FakeEncoder, fill, make_records
from tests.rag.cli.cli_runner import runner

pytestmark = pytest.mark.slow
MARK = "quetzalcoatlmark"  # occurs in the text that is deleted, and nowhere else
SECRET = f"The {MARK} keeps seven keys. Nobody has seen the {MARK} at noon."
OTHER_SENTENCES = ("The hen lays an egg each morning.", "She eats barley and snails.")
OTHER = " ".join(OTHER_SENTENCES)


class OtherEncoder(FakeEncoder):
    """Another model, for a reindex."""

    fingerprint = Fingerprint("other", "2", 32, "mean", {}, "learned")

    def encode_documents(self, texts: Any) -> Encoded:
        encoded = super().encode_documents(texts)
        return Encoded(np.ascontiguousarray(encoded.dense[:, ::-1]), encoded.sparse)


@pytest.fixture
def docs() -> list[Document]:
    """Documents need no reader's process: the tests are quick."""
    return [Document(text=SECRET, id_="docs/secret.txt"), Document(text=OTHER, id_="docs/hen.txt")]


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[EdgeClient]:
    with EdgeClient(tmp_path / "edge", min_free_mb=1) as client:
        yield client


@pytest.fixture
def settings(tmp_path: Path) -> IndexSettings:
    return IndexSettings(store=StoreSettings(path=tmp_path / "store", min_free_mb=1))


def holding(folder: Path, mark: str = MARK) -> list[str]:
    """The files below a folder whose bytes hold ``mark``, in any case."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and mark.encode() in path.read_bytes().lower():
            found.append(path.relative_to(folder).as_posix())
    return found


def build(source: Any, settings: IndexSettings, **options: Any) -> Any:
    return closing(build_index(source, settings=settings, encoder=FakeEncoder(), **options))


def keys_in_cache(settings: IndexSettings) -> int:
    import sqlite3

    rows = 0
    for path in (settings.store.path / "encodings").glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as db:
            rows += db.execute("SELECT count(*) FROM vectors").fetchone()[0]
    return rows


def test_a_deleted_text_is_in_no_file_of_the_store(docs: list[Document], settings: IndexSettings) -> None:
    with build(docs, settings):
        pass
    assert holding(settings.store.path), "the mark must be greppable before"
    with closing(open_index(settings=settings, check_model=False)) as index:
        before = {hit.id: hit.vector for hit in index.client.scroll("default", limit=99, with_vectors=True)[0]}
        assert index.delete("docs/secret.txt") == 2
        assert index.erase().done
        kept = index.client.scroll("default", limit=99, with_vectors=True)[0]
        assert [hit.payload["text"] for hit in sorted(kept, key=lambda hit: hit.payload["position"])] == [
            "The hen lays an egg each morning.",
            "She eats barley and snails.",
        ]
        for hit in kept:  # the rest is what it was, vectors and index included
            assert np.allclose(hit.vector["dense"], before[hit.id]["dense"], atol=1e-3)
            assert hit.vector["sparse"] == before[hit.id]["sparse"]
        assert index.store.count("docs/hen.txt") == 2 and index.verify().sound
    assert holding(settings.store.path) == []
    with build(docs[1:], settings) as index:
        assert index.report.count("unchanged") == 1


def test_pruned_files_and_members_that_left_an_archive_go_too(tmp_path: Path, settings: IndexSettings) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "secret.txt").write_text(SECRET, encoding="utf-8")
    with zipfile.ZipFile(docs / "both.zip", "w") as archive:
        archive.writestr("a.txt", SECRET.replace("seven", "eight"))
        archive.writestr("b.txt", OTHER)
    with build(docs, settings):
        pass
    (docs / "secret.txt").unlink()
    with zipfile.ZipFile(docs / "both.zip", "w") as archive:
        archive.writestr("b.txt", OTHER)
    with build(docs, settings, prune=True) as index:
        assert index.report.erased is not None and index.report.erased.done
    assert holding(settings.store.path) == []


def test_the_text_goes_out_of_every_generation(docs: list[Document], settings: IndexSettings) -> None:
    with build(docs, settings):
        pass
    reindex(settings=settings, encoder=OtherEncoder(), keep_old=True)
    (settings.store.path / "manifests" / "default.3.sentences").write_text(SECRET)  # of a reindex that was killed
    assert {name.split("/")[1] for name in holding(settings.store.path) if name.startswith("edge")} == {
        "default",
        "default.2",
    }
    with closing(open_index(settings=settings, check_model=False)) as index:
        index.delete("docs/secret.txt")
        assert index.erase().done
    assert holding(settings.store.path) == []
    with closing(open_index(settings=settings, encoder=FakeEncoder())) as index:  # the old model still finds the rest
        assert index.collection == "default" and index.count == 2


def test_an_encoding_stays_while_another_sentence_has_its_text(docs: list[Document], settings: IndexSettings) -> None:
    docs.append(Document(text=f"Before it. {SECRET}", id_="docs/copy.txt"))
    with build(docs, settings):
        pass
    with build(docs[:1], settings, collection="second"):
        pass
    there = keys_in_cache(settings)
    for doc_id, left in (("docs/copy.txt", there - 1), ("docs/secret.txt", there - 1)):
        with closing(open_index(settings=settings, check_model=False)) as index:
            index.delete(doc_id)
            index.erase()
        assert keys_in_cache(settings) == left  # "Before it." went; the others are in the collection 'second'
    with closing(open_index("second", settings=settings, check_model=False)) as index:
        index.delete("docs/secret.txt")
        index.erase()
    assert keys_in_cache(settings) == there - 3


def test_large_collections_wait_for_the_next_run(
    docs: list[Document], settings: IndexSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with build(docs, settings):
        pass
    monkeypatch.setattr(erasing, "QUICK", 1)
    with closing(open_index(settings=settings, check_model=False)) as index:
        index.delete("docs/secret.txt")
        assert index.erase().waiting == ["the files of its 2 sentences"]
    assert holding(settings.store.path)
    with build(docs[1:], settings) as index:
        assert index.report.erased.done
    assert holding(settings.store.path) == []


def test_dropping_leaves_nothing(docs: list[Document], settings: IndexSettings) -> None:
    with build(docs, settings):
        pass
    reindex(settings=settings, encoder=OtherEncoder(), keep_old=True)
    upload = settings.store.path / "uploads" / "default" / "x" / "secret.txt"
    upload.parent.mkdir(parents=True)
    upload.write_text(SECRET)
    with build(docs[1:], settings, collection="second"):
        pass
    with closing(open_engine(settings.store)) as client:
        assert drop_collection(client, "default", settings.store) == ["default", "default.2"]
        with pytest.raises(CollectionNotFoundError):
            drop_collection(client, "default", settings.store)
    assert holding(settings.store.path) == []
    assert list(settings.store.path.rglob("default*")) == []
    assert keys_in_cache(settings) == 2 * 2  # what 'second' holds, of both models


def test_a_killed_dropping_leaves_nothing_unseen(
    docs: list[Document], settings: IndexSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with build(docs, settings):
        pass

    def killed(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with closing(open_engine(settings.store)) as client:
        monkeypatch.setattr("indexes.store.edge.folder.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            drop_collection(client, "default", settings.store)
        monkeypatch.undo()
    assert holding(settings.store.path)
    with closing(open_engine(settings.store)) as client:  # any next use of the store
        assert client.get_collections().collections == []
    assert holding(settings.store.path) == []


def test_an_upload_goes_with_its_document(settings: IndexSettings) -> None:
    place = settings.store.path / "uploads" / "default" / "key"
    place.mkdir(parents=True)
    (place / "secret.txt").write_text(SECRET)
    with build([place / "secret.txt"], settings) as index:
        (info,) = index.documents()
        index.delete(info.doc_id)
        index.erase()
    assert holding(settings.store.path) == [] and not place.exists()


def test_quotes_in_feedback_go_with_their_documents(docs: list[Document], settings: IndexSettings) -> None:
    with build(docs, settings) as index:
        ids = {record.text: record.id for name in index.documents() for record in index.document(name.doc_id)}
    rows = [
        {
            "question": f"Q{place}",
            "collection": "default",
            "answer": text,
            "citations": [{"sentence_id": i, "text": text}],
        }
        for place, (text, i) in enumerate(ids.items())
    ]
    odd = [
        {"question": "no", "answer": SECRET, "collection": "", "citations": "x"},
        {"answer": OTHER, "collection": "b"},
    ]
    path = feedback_path(settings.store)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in [*rows, *odd]) + "no JSON\n", encoding="utf-8")
    changed = [Document(text="Keys are lost.", id_="docs/secret.txt"), docs[1]]  # its first sentence keeps its id
    with build(changed, settings) as index:
        assert index.erase(now=True).done
    assert holding(settings.store.path) == []
    *kept, last = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(row).get("answer") for row in kept] == [*OTHER_SENTENCES, None, None, None, OTHER]
    assert last == "no JSON" and path.stat().st_mode & 0o777 == 0o600
    with closing(open_engine(settings.store)) as client:
        drop_collection(client, "default", settings.store)
    assert [json.loads(row).get("answer") for row in path.read_text().splitlines()[:-1]] == [*[None] * 5, OTHER]


def test_rag_delete_finds_the_documents_of_an_archive(tmp_path: Path, settings: IndexSettings) -> None:
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.writestr("a.txt", SECRET)
        archive.writestr("in/b.txt", OTHER)
    with build(tmp_path / "both.zip", settings):
        pass
    rag = runner({"RAG_STORE_PATH": str(settings.store.path), "RAG_PROFILE": "offline"})
    both = rag("delete", "both.zip")
    assert both.exit_code == 0 and "removed 2 documents of both.zip (4 sentences)" in both.stdout
    assert holding(settings.store.path) == []
    with build(tmp_path / "both.zip", settings):  # the user's own file was not touched
        pass
    one = rag("delete", "both.zip!/a.txt")
    assert one.exit_code == 0 and "both.zip!/a.txt (2 sentences)" in one.stdout
    assert holding(settings.store.path) == []


def test_an_archive_is_found_by_any_of_its_names() -> None:
    sources = {"docs/a.zip!/x.txt": "a.zip!/x.txt", "docs/a.zip!/y/z.txt": "a.zip!/y/z.txt", "docs/b.txt": "b.txt"}
    paths = {
        "docs/a.zip!/x.txt": "/data/docs/a.zip",
        "docs/a.zip!/y/z.txt": "/data/docs/a.zip",
        "docs/b.txt": "/data/docs/b.txt",
    }
    for name in ("a.zip", "docs/a.zip", "/data/docs/a.zip"):
        assert match(name, sources, paths) == ["docs/a.zip!/x.txt", "docs/a.zip!/y/z.txt"]
    assert match("a.zi", sources, paths) == []


def test_a_closed_folder_is_half_deleted_only_with_its_mark(tmp_path: Path) -> None:
    (tmp_path / "lost" / "shard").mkdir(parents=True)
    assert EdgeClient(tmp_path).end_deletions() == []
    assert EdgeFolder(tmp_path / "lost").exists()  # its record was lost: that is not a deletion


@pytest.mark.parametrize(
    "there",
    [("shard", "shard.new"), ("shard.old", "shard.new"), ("shard", "shard.old")],
    ids=["before it", "between the renames", "behind them"],
)
def test_a_killed_rewriting_is_ended_when_the_collection_is_opened(edge: EdgeClient, there: tuple[str, str]) -> None:
    fill(edge, "notes", make_records("a", ["one", "two"]))
    edge.close()
    folder = edge.root / "notes"
    shutil.copytree(folder / "shard", folder / "copy")
    (folder / "shard").rename(folder / there[0])
    (folder / "copy").rename(folder / there[1])
    assert edge.count("notes").count == 2
    assert [place.name for place in folder.glob("shard*")] == ["shard"]
