"""Renamed files, moved folders, equal files: names follow, text stays, and nothing is encoded again."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from indexes import Index, build_index, open_index, plan_index, reindex
from indexes.encoders.base import Encoder
from indexes.errors import FingerprintMismatchError
from indexes.manifest import moves
from indexes.manifest.manifest import Manifest
from indexes.manifest.paths import manifest_path
from indexes.settings.sections import (
    EncoderSettings,
    IndexSettings,
    IngestSettings,
    SparseSettings,
    SplitSettings,
    StoreSettings,
)

HEN = "The hen lays an egg each morning. She eats barley and snails."
STORE = Path(__file__).with_name("store_0_1_0.tar.xz")


@pytest.fixture
def settings(tmp_path: Path) -> IndexSettings:
    return IndexSettings(
        encoder=EncoderSettings(provider="minilm", model="minilm"),
        store=StoreSettings(path=tmp_path / "store"),
        ingest=IngestSettings(cache_mb=0),  # so that nothing comes from the cache
        sparse=SparseSettings(place=0),  # and no file's name is part of the vectors
    )


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    (docs / "farm").mkdir(parents=True)
    (docs / "farm" / "hen.txt").write_text(HEN, encoding="utf-8")
    (docs / "goat.txt").write_text("The goat climbs the wall. It has eaten the roses.", encoding="utf-8")
    return docs


def points(index: Index) -> dict[str, dict[str, Any]]:
    records, _ = index.client.scroll(index.collection, limit=1000, with_payload=True, with_vectors=True)
    return {f"{r.payload['doc_id']} {r.payload['position']}": {**r.payload, "vector": r.vector} for r in records}


@contextmanager
def ingested(source: Path | list[Path], settings: IndexSettings, encoder: Encoder, **options: Any) -> Iterator[Index]:
    with build_index(source, settings=settings, encoder=encoder, **options) as index:
        assert index.verify().sound
        yield index


def statuses(index: Index) -> dict[str, str]:
    assert index.report is not None
    return {Path(file.path).name: file.status for file in index.report.files}


def test_a_rename_is_a_move_at_once(docs: Path, settings: IndexSettings, encoder: Encoder) -> None:
    with ingested(docs, settings, encoder) as index:
        before = points(index)
    (docs / "farm" / "hen.txt").rename(docs / "zoo.txt")
    assert {Path(f.path).name: f.status for f in plan_index(docs, settings=settings).files}["zoo.txt"] == "moved"
    with ingested(docs, settings, encoder) as index:
        assert statuses(index) == {"goat.txt": "unchanged", "zoo.txt": "moved"}
        assert index.report is not None and index.report.encoded == 0
        after = points(index)
        assert sorted(after) == ["docs/goat.txt 0", "docs/goat.txt 1", "docs/zoo.txt 0", "docs/zoo.txt 1"]
        moved, was = after["docs/zoo.txt 1"], before["docs/farm/hen.txt 1"]
        assert moved["vector"] == was["vector"]
        names = {key: moved["metadata"][key] for key in ("source", "file_path", "file_name", "title")}
        assert names == {"source": "zoo.txt", "file_path": "zoo.txt", "file_name": "zoo.txt", "title": "zoo"}
        assert str(docs.parent) not in json.dumps([{**p, "vector": None} for p in after.values()])
    with ingested(docs, settings, encoder) as index:
        assert set(statuses(index).values()) == {"unchanged"}


def test_renames_over_another_file_and_to_another_ending(docs: Path, settings: IndexSettings, encoder: Encoder) -> None:
    with ingested(docs, settings, encoder):
        pass
    (docs / "farm" / "hen.txt").rename(docs / "goat.txt")
    with ingested(docs, settings, encoder) as index:
        assert sorted(points(index)) == ["docs/goat.txt 0", "docs/goat.txt 1"]
    (docs / "goat.txt").rename(docs / "goat.md")
    with ingested(docs, settings, encoder) as index:
        assert sorted(points(index)) == ["docs/goat.md 0", "docs/goat.md 1"]
    titled = settings.model_copy(update={"split": SplitSettings(contextual="title")})
    with ingested(docs, titled, encoder):
        pass
    (docs / "goat.md").rename(docs / "hen.md")
    with ingested(docs, titled, encoder) as index:  # the vectors hold the title, which was the file's name
        assert index.report is not None and index.report.encoded == 2
        assert sorted(points(index)) == ["docs/hen.md 0", "docs/hen.md 1"]


def test_a_rename_encodes_only_where_the_name_is_part_of_the_vectors(
    docs: Path, settings: IndexSettings, encoder: Encoder, tmp_path: Path
) -> None:
    (docs / "ducks.md").write_text("---\ntitle: On ducks\n---\n\nIt swims in the pond.", encoding="utf-8")
    (docs / "4711.txt").write_text("It sits on the roof.", encoding="utf-8")
    settings = settings.model_copy(update={"sparse": SparseSettings()})
    with ingested(docs, settings, encoder) as index:
        before = points(index)
    docs = docs.rename(tmp_path / "papers")
    with ingested(docs, settings, encoder) as index:
        assert set(statuses(index).values()) == {"unchanged"} and points(index) == before
    (docs / "ducks.md").rename(docs / "pond.md")  # it has a title of its own
    (docs / "4711.txt").rename(docs / "0412345.txt")  # neither is a name
    (docs / "goat.txt").rename(docs / "billy-goats.txt")
    planned = {Path(f.path).name: f.status for f in plan_index(docs, settings=settings).files}
    assert planned["billy-goats.txt"] == "updated"
    with ingested(docs, settings, encoder) as index:
        assert statuses(index) == {
            "hen.txt": "unchanged", "pond.md": "moved", "0412345.txt": "moved", "billy-goats.txt": "updated",
        }  # fmt: skip
        assert index.report is not None and index.report.encoded == 2  # the goat's sentences
        after = points(index)
        assert after["docs/pond.md 0"]["vector"] == before["docs/ducks.md 0"]["vector"]
        assert after["docs/billy-goats.txt 0"]["vector"]["dense"] == before["docs/goat.txt 0"]["vector"]["dense"]
        assert after["docs/billy-goats.txt 0"]["vector"]["sparse"] != before["docs/goat.txt 0"]["vector"]["sparse"]


def test_a_folder_that_was_moved(docs: Path, settings: IndexSettings, encoder: Encoder, tmp_path: Path) -> None:
    with ingested(docs, settings, encoder) as index:
        before = points(index)
    docs = docs.rename(tmp_path / "papers")
    for _ in range(2):
        with ingested(docs, settings, encoder) as index:
            assert set(statuses(index).values()) == {"unchanged"}
            assert points(index) == before
    with ingested(docs / "farm", settings, encoder, prune=True) as index:
        assert points(index) == before


def test_two_folders_of_one_name(docs: Path, settings: IndexSettings, encoder: Encoder, tmp_path: Path) -> None:
    other = tmp_path / "other" / "docs"
    other.mkdir(parents=True)
    (other / "goat.txt").write_text("Another goat.", encoding="utf-8")
    with ingested([docs, other], settings, encoder) as index:
        sources = {info.doc_id: info.source for info in index.documents()}
    assert sources == {
        "docs/farm/hen.txt": "farm/hen.txt", "docs/goat.txt": "goat.txt", "docs-2/goat.txt": "goat.txt",
    }  # fmt: skip
    for path in (settings.store.path / "manifests").iterdir():
        path.unlink()
    with build_index(other, settings=settings, encoder=encoder) as index:  # the collection remembers the labels
        assert {info.doc_id for info in index.documents()} == set(sources)


def test_equal_files_until_the_last_place_is_gone(docs: Path, settings: IndexSettings, encoder: Encoder) -> None:
    (docs / "zcopy.txt").write_text(HEN, encoding="utf-8")
    (docs / "zlast.txt").write_text(HEN, encoding="utf-8")
    with ingested(docs, settings, encoder) as index:
        first = next(point for point in points(index).values() if "hen" in point["text"])["metadata"]
        places = ["docs/farm/hen.txt", "docs/zcopy.txt", "docs/zlast.txt"]
        assert sorted(first["sources"]) == places
        assert sorted(index.places()) == ["docs/farm/hen.txt", "docs/goat.txt", "docs/zcopy.txt", "docs/zlast.txt"]
    owner = docs.parent / first["sources"][0]
    owner.unlink()
    with ingested(docs, settings, encoder, prune=True) as index:
        assert index.report is not None and index.report.encoded == 0
        assert sorted(statuses(index).values()) == ["duplicate", "moved", "unchanged"]
        left = sorted(set(places) - set(first["sources"][:1]))
        [found] = {tuple(p["metadata"]["sources"]) for p in points(index).values() if "hen" in p["text"].lower()}
        assert sorted(found) == left
        assert (index.delete(found[1]), index.count) == (0, 4)  # a place, not the text
        assert (index.delete(found[0]), index.count) == (2, 2)
        assert index.verify().sound


def test_a_place_written_by_a_run_that_was_killed_is_not_kept_for_ever(
    docs: Path, settings: IndexSettings, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collection names the copy already, the manifest does not yet: then the copy gets a text of its own."""
    with ingested(docs, settings, encoder):
        (docs / "zcopy.txt").write_text(HEN, encoding="utf-8")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "add_copies", killed)
        with pytest.raises(KeyboardInterrupt), ingested(docs, settings, encoder):
            pass
    (docs / "zcopy.txt").write_text("The cow is brown. It sleeps at noon.", encoding="utf-8")
    with ingested(docs, settings, encoder) as index:
        [found] = {tuple(p["metadata"]["sources"]) for p in points(index).values() if "hen" in p["text"].lower()}
        assert found == ("docs/farm/hen.txt",)
        assert index.verify().sound


@pytest.mark.parametrize("place", ["docs/farm/hen.txt", "docs/zcopy.txt"])
def test_a_place_deleted_by_a_command_that_was_killed_is_not_kept_for_ever(
    docs: Path, settings: IndexSettings, encoder: Encoder, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    (docs / "zcopy.txt").write_text(HEN, encoding="utf-8")
    with ingested(docs, settings, encoder) as index, monkeypatch.context() as patch:
        patch.setattr(moves, "_set_places", killed)
        with pytest.raises(KeyboardInterrupt):
            index.delete(place)
    (docs.parent / place).unlink()
    with ingested(docs, settings, encoder) as index:
        [left] = {"docs/farm/hen.txt", "docs/zcopy.txt"} - {place}
        [found] = {tuple(p["metadata"]["sources"]) for p in points(index).values() if "hen" in p["text"].lower()}
        assert found == (left,)
        assert index.verify().sound


def test_deleting_a_document_leaves_its_text_to_its_equal(
    docs: Path, settings: IndexSettings, encoder: Encoder
) -> None:
    (docs / "zcopy.txt").write_text(HEN, encoding="utf-8")
    with ingested(docs, settings, encoder) as index:
        [own] = {p["doc_id"] for p in points(index).values() if "hen" in p["text"]}
        other = ({"docs/farm/hen.txt", "docs/zcopy.txt"} - {own}).pop()
        assert (index.delete(own), index.count) == (0, 4)
        assert {info.doc_id for info in index.documents()} == {"docs/goat.txt", other}
        assert index.verify().sound
        assert (index.delete(other), index.count) == (2, 2)


@pytest.mark.parametrize("step", ["begin", "replace", "finish"])
def test_a_move_that_was_killed_is_finished(
    docs: Path, settings: IndexSettings, encoder: Encoder, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ingested(docs, settings, encoder):
        pass
    (docs / "goat.txt").rename(docs / "zoo.txt")

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("indexes.ingest.run.recover", lambda *_: 0)  # nothing of the dead process mends
        if step == "replace":
            patch.setattr(moves, "replace_document", die)
        else:
            patch.setattr(moves.Manifest, "begin" if step == "begin" else "finish_many", die)
        with pytest.raises(Killed):
            build_index(docs, settings=settings, encoder=encoder)
    with open_index(settings=settings, encoder=encoder) as index:  # a search meets one of the two, whole
        assert {info.doc_id for info in index.documents()} - {"docs/farm/hen.txt"} in (
            {"docs/goat.txt"},
            {"docs/zoo.txt"},
        )
        assert index.count == 4
    with ingested(docs, settings, encoder) as index:
        assert {info.doc_id for info in index.documents()} == {"docs/farm/hen.txt", "docs/zoo.txt"}


# ---- a collection of version 0.1.0 ----


@pytest.fixture
def old(tmp_path: Path) -> IndexSettings:
    """A store that version 0.1.0 made of /tmp/r010/docs, and the documents, somewhere else by now."""
    with tarfile.open(STORE) as archive:
        archive.extractall(tmp_path, filter="data")
    return IndexSettings(
        encoder=EncoderSettings(provider="minilm", model="minilm"), store=StoreSettings(path=tmp_path / "store")
    )


def reindexed(old: IndexSettings, encoder: Encoder) -> None:
    """BM25 cuts other words by now: a step of its own, which encodes no text."""
    report = reindex(settings=old, encoder=encoder)
    assert (report.needed, report.sentences, report.encoded) == (True, 8, 0)


def test_version_0_1_0_opens_for_searching(old: IndexSettings, encoder: Encoder) -> None:
    with pytest.raises(FingerprintMismatchError, match=r"(?s)the word rules changed.*rag ingest --reindex"):
        open_index(settings=old, encoder=encoder)
    reindexed(old, encoder)
    with open_index(settings=old, encoder=encoder) as index:
        assert index.count == 8
        best = index.retriever(top_k=1).retrieve("When was the sluice mended?")[0].node
        assert best.get_content() == "The sluice was mended in 1998."


@pytest.mark.parametrize("manifest", ["kept", "lost"])
def test_version_0_1_0_is_migrated_without_doubles(
    old: IndexSettings, encoder: Encoder, tmp_path: Path, manifest: str
) -> None:
    docs = tmp_path / "docs"
    readme = docs / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace("twelve", "fourteen"), encoding="utf-8")
    relocate(old, docs)
    if manifest == "lost":
        shutil.rmtree(old.store.path / "manifests")
    reindexed(old, encoder)
    with ingested(docs, old, encoder) as index:
        assert index.report is not None and index.report.encoded == 1
        found = points(index)
        ids = {point["doc_id"] for point in found.values()}
        assert len(found) == 8 and len(ids) == 3 and {"docs/README.md", "docs/guide/pond.md"} < ids
        tea = next(point["metadata"] for point in found.values() if "茶园" in point["text"])
        assert sorted(tea["sources"]) == ["docs/guide/tea-copy.txt", "docs/guide/tea.txt"]
    with ingested(docs, old, encoder) as index:
        assert index.report is not None and index.report.count("unchanged") == 3


def test_version_0_1_0_whose_folder_was_moved_meanwhile(old: IndexSettings, encoder: Encoder, tmp_path: Path) -> None:
    reindexed(old, encoder)
    with ingested(tmp_path / "docs", old, encoder) as index:
        assert index.report is not None and index.report.encoded == 0
        assert index.count == 8 and all(info.doc_id.startswith("docs/") for info in index.documents())


def relocate(old: IndexSettings, docs: Path) -> None:
    """Make the store what version 0.1.0 would have made of ``docs``: ids were absolute paths."""
    with (
        open_index(settings=old, check_model=False) as index,
        closing(Manifest(manifest_path(old.store, "default", shared_client=False))) as manifest,
    ):
        moved = [
            moves.Move((entry,), str(docs) + entry.source.removeprefix("/tmp/r010/docs"), entry.size, 1,
                           moves.RootedPath(str(docs) + entry.source.removeprefix("/tmp/r010/docs"),
                                           str(docs) + entry.source.removeprefix("/tmp/r010/docs")))
            for entry in manifest
        ]  # fmt: skip
        moves.move_documents(index.store, manifest, moves.Journal(None), moved)
        manifest.forget_copies([copy.path for copy in manifest.copies()])
