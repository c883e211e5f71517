"""A run that is spread over workers leaves what a run in one process leaves, whatever dies on the way."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexes import build_index, open_index
from indexes.cluster import driver, items
from indexes.cluster.driver import _Driver, check_workers
from indexes.cluster.items import Bundle, Lost
from indexes.encoders.base import Encoded
from indexes.errors import DiskSpaceError, EncoderError, SettingsError, SourceError, StoreError, TextError
from indexes.ingest import run
from indexes.ingest.report import IngestReport
from indexes.settings.sections import IndexSettings, StoreSettings
from indexes.store.upkeep import bulk
from tests.indexes.cluster.conftest import Farm, text_of
from tests.indexes.cluster.here import spread_here
from tests.indexes.store.store_fixtures import FakeEncoder

Spread = Callable[..., IngestReport]


@pytest.fixture
def spread(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Spread:
    """Ingest the farm's documents by workers in this process, two files in a bundle."""
    monkeypatch.setattr(items, "FILES", 2)

    def ingest(before: Any = lambda bundle: None, **options: Any) -> IngestReport:
        monkeypatch.setattr(driver, "spread_over", lambda workers, settings: spread_here(before))
        with build_index(farm.docs, settings=farm.settings, workers=2, **options) as index:
            assert index.report is not None
            return index.report

    return ingest


def plain(farm: Farm) -> tuple[dict[str, Any], dict[str, Any]]:
    """What one process makes of the documents."""
    build_index(farm.docs, settings=farm.settings, collection="plain").close()
    return farm.points("plain"), farm.manifest("plain")


def put_all_kinds(docs: Path) -> None:
    """An archive, two files with one content, one that cannot be read, one without a sentence, one in a folder."""
    with zipfile.ZipFile(docs / "letters.zip", "w") as archive:
        archive.writestr("one.txt", text_of("rook", 3))
        archive.writestr("two.md", text_of("crow", 2))
        archive.writestr("broken.pdf", b"%PDF-nothing")
    (docs / "twin-a.txt").write_text(text_of("twin", 3), encoding="utf-8")
    (docs / "twin-b.txt").write_text(text_of("twin", 3), encoding="utf-8")
    (docs / "broken.docx").write_bytes(b"no zip file")
    (docs / "empty.txt").write_text(" \n \n", encoding="utf-8")
    (docs / "inner").mkdir()
    (docs / "inner" / "hen.txt").write_text(text_of("inner hen", 4), encoding="utf-8")


def test_the_same_points_and_manifest_as_in_one_process(farm: Farm, spread: Spread) -> None:
    put_all_kinds(farm.docs)
    report = spread()
    points, manifest = plain(farm)
    assert farm.points() == points and len(points) > 20
    assert farm.manifest() == manifest
    counts = {status: report.count(status) for status in ("added", "duplicate", "skipped")}  # type: ignore[arg-type]
    assert counts == {"added": 8, "duplicate": 1, "skipped": 3}  # a member of the archive is reported as well
    assert report.sentences_added == report.passed == len(points) < report.encoded  # places are encoded as well
    again = spread()
    assert {file.status for file in again.files if not file.reason} == {"unchanged"}
    assert again.sentences_added == 0


def test_changed_moved_and_removed_files(farm: Farm, spread: Spread) -> None:
    put_all_kinds(farm.docs)
    spread()
    (farm.docs / "hen.txt").write_text(text_of("hen", 1), encoding="utf-8")  # shorter: a sentence is surplus
    (farm.docs / "goose.txt").write_text(text_of("old goose", 7), encoding="utf-8")
    (farm.docs / "duck.txt").rename(farm.docs / "drake.txt")
    (farm.docs / "swan.txt").unlink()
    (farm.docs / "twin-a.txt").write_text(text_of("single", 2), encoding="utf-8")  # its copy must be read after all
    with zipfile.ZipFile(farm.docs / "letters.zip", "w") as archive:
        archive.writestr("one.txt", text_of("rook", 2))
    report = spread(prune=True)
    points, manifest = plain(farm)
    assert farm.points() == points
    stats = ("size", "mtime_ns")
    for doc_id, entry in farm.manifest().items():
        other = manifest.pop(doc_id)
        assert all(getattr(entry, name) == getattr(other, name) for name in entry.__slots__ if name not in stats)
    assert not manifest
    updated = {Path(file.path).name for file in report.files if file.status == "updated"}
    assert updated == {"hen.txt", "goose.txt", "drake.txt", "twin-a.txt", "letters.zip"}
    assert report.count("removed") == 1


@pytest.mark.parametrize("commit", [2])
def test_a_driver_killed_between_upsert_and_commit(
    farm: Farm, spread: Spread, monkeypatch: pytest.MonkeyPatch, commit: int
) -> None:
    """What the kill leaves: points that no receipt was committed for. A file of them is gone before the next run."""
    put_all_kinds(farm.docs)
    spread()
    for name in ("hen", "goose", "letters"):
        (farm.docs / f"{name}.txt").write_text(text_of(f"new {name}", 3), encoding="utf-8")
    with zipfile.ZipFile(farm.docs / "letters.zip", "w") as archive:
        archive.writestr("three.txt", text_of("raven", 5))
    (farm.docs / "more.zip").write_bytes((farm.docs / "letters.zip").read_bytes() + b" ")
    commits = iter(range(1, 100))
    done = _Driver._commit

    class Killed(BaseException):
        pass

    def killed_at(self: _Driver, *receipt: Any) -> None:
        if next(commits) == commit:
            monkeypatch.setattr(run, "recover", lambda *_: None)  # nothing more happens in a process that is dead
            raise Killed
        done(self, *receipt)

    with monkeypatch.context() as patched:
        patched.setattr(_Driver, "_commit", killed_at)
        with pytest.raises(Killed):
            spread()
    monkeypatch.undo()
    (farm.docs / "more.zip").unlink()
    fresh = FakeEncoder()
    before = farm.server.thresholds["default"]
    with open_index(settings=farm.settings, encoder=fresh) as index:  # who only searches meets whole documents
        assert index.verify().sound
    with build_index(farm.docs, settings=farm.settings, encoder=fresh) as index:
        assert index.verify(deep=True).sound
    build_index(farm.docs, settings=farm.settings, encoder=fresh, collection="plain").close()
    assert farm.points() == farm.points("plain")
    assert farm.manifest() == farm.manifest("plain")
    assert (before, farm.server.thresholds["default"]) == (bulk.DEFAULT, bulk.DEFAULT)


def test_a_bundle_that_ends_its_workers(farm: Farm, spread: Spread) -> None:
    """Its files are tried one by one, and the one that does it is reported; nothing half of it stays."""
    spread()
    for name in ("hen", "goose"):
        (farm.docs / f"{name}.txt").write_text(text_of(f"new {name}", 3), encoding="utf-8")

    def deadly(bundle: Bundle) -> Lost | None:
        return Lost("it ended 4 workers") if any("goose" in item.doc_id for item in bundle) else None

    report = spread(deadly)
    assert [(file.path.rpartition("/")[2], file.status) for file in report.files if file.status != "unchanged"] == [
        ("hen.txt", "updated"),
        ("goose.txt", "skipped"),
    ]
    assert "was given up, for it ended 4 workers" in str(report.files[-1].reason)
    assert "docs/goose.txt" not in farm.manifest()
    assert {point[0] for point in farm.points().values()} == set(farm.manifest())
    spread()  # the worker has more memory now
    points, manifest = plain(farm)
    assert (farm.points(), farm.manifest()) == (points, manifest)


def test_a_text_that_no_model_reads_costs_its_file(farm: Farm, spread: Spread, monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(self: FakeEncoder, texts: Any) -> Encoded:
        if any("swan" in text for text in texts):
            raise TextError("a swan", remedy="leave it out")
        return real(self, texts)

    real = FakeEncoder.encode_documents
    monkeypatch.setattr(FakeEncoder, "encode_documents", picky)
    report = spread()
    assert [file.path.rpartition("/")[2] for file in report.files if file.status == "skipped"] == ["swan.txt"]
    assert report.count("added") == 4

    def broken(self: FakeEncoder, texts: Any) -> Encoded:
        raise TextError("nothing at all", remedy="look at it")

    monkeypatch.setattr(FakeEncoder, "encode_documents", broken)
    for name in ("a", "b", "c"):
        (farm.docs / f"new-{name}.txt").write_text(text_of(name, 2), encoding="utf-8")
    monkeypatch.setattr(items, "FILES", 8)
    with pytest.raises(TextError, match="nothing at all"):  # it is the model: the run ends, and says so once
        spread()


def test_a_store_or_a_model_that_fails_ends_the_run(
    farm: Farm, spread: Spread, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: FakeEncoder, texts: Any) -> Encoded:
        raise EncoderError("the card is gone", remedy="look for it")

    with monkeypatch.context() as patched:
        patched.setattr(FakeEncoder, "encode_documents", failing)
        with pytest.raises(EncoderError, match="the card is gone"):
            spread()
    assert farm.points() == {} and farm.manifest() == {}
    assert farm.edge.collection_metadata("default")["ragwright"]["run"] is None
    spread()
    assert len(farm.manifest()) == 5


def test_indexing_is_put_off_while_a_collection_is_filled(farm: Farm, spread: Spread) -> None:
    thresholds = []
    spread(lambda bundle: thresholds.append(farm.server.thresholds["default"]))  # type: ignore[func-returns-value]
    assert set(thresholds) == {bulk.NEVER}
    assert farm.server.thresholds["default"] == bulk.DEFAULT
    spread()  # nothing to do: no worker is started, and nothing is set
    assert farm.server.thresholds["default"] == bulk.DEFAULT


def test_what_cannot_be_spread(farm: Farm, spread: Spread) -> None:
    embedded = IndexSettings(store=StoreSettings(path=farm.docs.parent / "embedded"))
    with pytest.raises(SettingsError, match="cannot write into the embedded engine") as refused:
        build_index(farm.docs, settings=embedded, workers=2)
    assert "store.url" in refused.value.remedy and not (farm.docs.parent / "embedded").exists()
    with pytest.raises(SettingsError, match="an encoder was handed in"):
        build_index(farm.docs, settings=farm.settings, workers=2, encoder=FakeEncoder())
    with pytest.raises(SettingsError, match="workers is 0"):
        check_workers(0, farm.settings)
    with (
        build_index(farm.docs, settings=farm.settings) as index,
        pytest.raises(SourceError, match="only files and folders can be spread"),
    ):
        index.add([], workers=2)


@pytest.mark.parametrize("address", ["scheduler:8786", "http://a.example:8786", "tls://", "tcp://a.example:8786"])
def test_a_scheduler_is_spoken_to_by_tls(farm: Farm, address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_workers(address, farm.settings)
    assert "tls://" in refused.value.remedy


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:8786", "tls://a.example:8786"])
def test_addresses_that_are_taken(farm: Farm, address: str) -> None:
    check_workers(address, farm.settings)


def test_errors_cross_between_processes() -> None:
    error = pickle.loads(pickle.dumps(StoreError("no room on 'x'", remedy="make some")))
    assert (type(error), str(error), error.remedy) == (StoreError, "no room on 'x'; make some", "make some")
    assert pickle.loads(pickle.dumps(DiskSpaceError("a", remedy="b"))).what == "a"
