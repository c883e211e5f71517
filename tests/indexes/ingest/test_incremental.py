"""What a second run costs and leaves: changed sentences, removed files, copies, and a collection that verifies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from indexes import build_index, open_index, plan_index
from indexes.encoders.base import Encoder
from indexes.encoders.window_pooling import ReadyPoint
from indexes.errors import CollectionLockedError, SourceError
from indexes.manifest.documents import replace_document
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import Entry, Manifest
from indexes.manifest.paths import manifest_path
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import IndexSettings, IngestSettings
from tests import ROOT
from tests.indexes.words_model import words_model

HEN = "The hen lays an egg each morning. She eats barley and snails. At night she sleeps on the beam."


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "hen.txt").write_text(HEN, encoding="utf-8")
    (docs / "goat.txt").write_text("The goat climbs the wall. It has eaten the roses.", encoding="utf-8")
    return docs


def manifest_of(settings: IndexSettings) -> Manifest:
    """The collection's manifest, as another process opens it."""
    return Manifest(manifest_path(settings.store, "default", shared_client=False))


def statuses(index: object) -> dict[str, str]:
    return {Path(file.path).name: file.status for file in index.report.files}  # type: ignore[attr-defined]


def test_changed_files_cost_their_changed_sentences(docs: Path, settings: IndexSettings, encoder: Encoder) -> None:
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert index.report is not None and index.report.encoded == 5
    (docs / "hen.txt").write_text(HEN.replace("barley", "oats"), encoding="utf-8")
    (docs / "goat.txt").rename(docs / "ram.txt")
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert index.report is not None
        assert index.report.encoded == 1
        assert statuses(index) == {"hen.txt": "updated", "ram.txt": "updated"}  # the name is in its sparse vectors


def test_prune_removes_what_is_gone_and_dry_run_only_says_so(
    docs: Path, settings: IndexSettings, encoder: Encoder
) -> None:
    build_index(docs, settings=settings, encoder=encoder).close()
    (docs / "goat.txt").unlink()
    (docs / "cow.txt").write_text("The cow is red.", encoding="utf-8")
    planned = plan_index(docs, settings=settings, prune=True)
    assert {Path(f.path).name: f.status for f in planned.files} == {
        "goat.txt": "removed",
        "cow.txt": "added",
        "hen.txt": "unchanged",
    }
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert index.count == 6  # without --prune nothing goes
    with build_index(docs, settings=settings, encoder=encoder, prune=True) as index:
        assert statuses(index) == {"goat.txt": "removed", "cow.txt": "unchanged", "hen.txt": "unchanged"}
        assert index.count == 4
        assert index.verify().sound
    for file in docs.iterdir():
        file.unlink()
    with pytest.raises(SourceError, match="no file is left"):
        build_index(docs, settings=settings, encoder=encoder, prune=True)


def test_a_copy_is_stored_once_with_both_sources_and_outlives_its_original(
    docs: Path, settings: IndexSettings, encoder: Encoder
) -> None:
    (docs / "zcopy.txt").write_text(HEN, encoding="utf-8")
    for _ in range(2):
        with build_index(docs, settings=settings, encoder=encoder) as index:
            assert index.count == 5
            assert statuses(index)["zcopy.txt"] == "duplicate"
            node = index.retriever(top_k=1).retrieve("What does the hen eat?")[0].node
            assert node.metadata["sources"] == ["docs/hen.txt", "docs/zcopy.txt"]
    (docs / "hen.txt").write_text("The hen is gone.", encoding="utf-8")
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert statuses(index) == {"goat.txt": "unchanged", "hen.txt": "updated", "zcopy.txt": "added"}
        assert index.count == 6
        assert index.report is not None and index.report.encoded == 1
        assert index.verify().sound


def test_files_that_come_to_the_same_content_are_stored_once(
    docs: Path, settings: IndexSettings, encoder: Encoder
) -> None:
    build_index(docs, settings=settings, encoder=encoder).close()
    (docs / "goat.txt").write_text(HEN, encoding="utf-8")  # it had content of its own
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert (index.count, statuses(index)["goat.txt"]) == (3, "duplicate")
    (docs / "goat.txt").write_text("The goat is back.", encoding="utf-8")
    build_index(docs, settings=settings, encoder=encoder).close()
    # hen.txt has other content for a while, so that its old content, seen under another name, is stored once more.
    (docs / "hen.txt").write_text("Nothing of hens.", encoding="utf-8")
    (docs / "zebra.txt").write_text(HEN, encoding="utf-8")
    with build_index(docs / "zebra.txt", settings=settings, encoder=encoder) as index:
        assert index.count == 7
    (docs / "hen.txt").write_text(HEN, encoding="utf-8")
    for _ in range(2):
        with build_index(docs, settings=settings, encoder=encoder) as index:
            assert statuses(index) == {"goat.txt": "unchanged", "hen.txt": "unchanged", "zebra.txt": "duplicate"}
            assert index.count == 4
            node = index.retriever(top_k=1).retrieve("What does the hen eat?")[0].node
            assert node.metadata["sources"] == ["docs/hen.txt", "docs/zebra.txt"]
            assert index.verify().sound


def test_a_run_without_changes_loads_no_model(
    docs: Path, settings: IndexSettings, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(docs, settings=settings, encoder=encoder).close()

    def load(_: IndexSettings) -> Encoder:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("indexes.index.build_encoder", load)
    with build_index(docs, settings=settings) as index:
        assert index.report is not None and index.report.count("unchanged") == 2
    (docs / "goat.txt").write_text("The goat sleeps.", encoding="utf-8")
    with pytest.raises(AssertionError, match="was loaded"):
        build_index(docs, settings=settings)


def test_an_update_that_was_cut_off_is_finished_when_it_is_opened(
    docs: Path, settings: IndexSettings, encoder: Encoder
) -> None:
    with build_index(docs, settings=settings, encoder=encoder) as index:
        doc_id = next(info.doc_id for info in index.documents() if info.doc_id.endswith("hen.txt"))
        manifest = manifest_of(settings)
        old = manifest.get(doc_id)
        assert old is not None
        vector = encoder.encode_documents(["The hen flew away."])
        sparse = vector.sparse[0] if vector.sparse else None
        record = SentenceRecord(doc_id, 0, "The hen flew away.", metadata={"source": doc_id})
        new = [ReadyPoint(record, vector.dense[0], sparse)]
        journal = Journal(manifest.path)
        journal.append(doc_id, new)
        journal.complete({doc_id: 0})
        manifest.begin(Entry(doc_id, doc_id, "new", old.recipe))
        index.store.put([record], vector.dense, [sparse] if sparse else None)
        journal.close()  # the process dies: half new, half old
        manifest.close()
    with open_index(settings=settings, encoder=encoder) as index:
        assert index.client.count("default").count == 3
        assert index.store.count(doc_id) == 1
        assert index.verify().sound
        replace_document(index.store, doc_id, [new])  # again changes nothing
        assert index.verify().sound


def test_verify_tells_and_mends(docs: Path, settings: IndexSettings, encoder: Encoder) -> None:
    with build_index(docs, settings=settings, encoder=encoder) as index:
        hen = next(info.doc_id for info in index.documents() if info.doc_id.endswith("hen.txt"))
        lost = SentenceRecord(hen, 1, "").id
        index.store.delete_points([lost])
        stray = SentenceRecord("stray", 0, "A stray sentence.")
        vector = encoder.encode_documents([stray.text])
        index.store.put([stray], vector.dense, vector.sparse)
        found = index.verify()
        assert not found.sound
        assert {(d.doc_id, d.problem, d.expected, d.found) for d in found.differences} == {
            (hen, "missing", 3, 2),
            ("stray", "unknown", None, 1),
        }
        assert found.differences[0].ids == [lost]
        mended = index.verify(repair=True)
        assert mended.sound and mended.read_again == [hen]
        assert index.verify().differences == []
        assert index.count == 2
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert index.report is not None
        assert (index.count, index.report.encoded) == (5, 0)
        with closing(manifest_of(settings)) as manifest:
            manifest.clear()
        assert (index.verify(repair=True).adopted, index.count) == (2, 5)  # a lost manifest takes up what there is
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert (index.count, index.verify().sound) == (5, True)  # and its files are read again


def test_two_runs_at_once_are_refused(docs: Path, settings: IndexSettings, encoder: Encoder) -> None:
    build_index(docs, settings=settings, encoder=encoder).close()
    other = manifest_of(settings)
    with other.writer(), pytest.raises(CollectionLockedError, match="being written to by"):
        build_index(docs, settings=settings, encoder=encoder)
    other.close()


def test_what_no_version_reads_any_more_is_removed(docs: Path, settings: IndexSettings, encoder: Encoder) -> None:
    build_index(docs, settings=settings, encoder=encoder).close()
    old = manifest_of(settings).path.with_suffix(".passages")
    old.write_bytes(b"headings of deleted documents")
    build_index(docs, settings=settings, encoder=encoder).close()
    assert not old.exists()


def test_a_file_that_changes_while_it_is_read_is_skipped(docs: Path, settings: IndexSettings, encoder: Encoder) -> None:
    def meddle(progress: object) -> None:
        if str(progress.current).endswith("hen.txt"):  # type: ignore[attr-defined]
            os.utime(docs / "hen.txt", ns=(1, 1))

    # The stat is taken when the folder is walked, before this is called for the file.
    with build_index(docs, settings=settings, encoder=encoder, progress=meddle) as index:
        assert statuses(index) == {"goat.txt": "added", "hen.txt": "skipped"}
        assert index.count == 2


INTERRUPTED = """
import sys
from pathlib import Path
from indexes import build_index
from indexes.settings.sections import EncoderSettings, IndexSettings, IngestSettings, StoreSettings
from tests.indexes.words_model import words_model
settings = IndexSettings(
    encoder=EncoderSettings(provider="minilm", model="minilm"),
    store=StoreSettings(path=Path(sys.argv[2])),
    ingest=IngestSettings(chunk_sentences=3),
)
def told(progress):
    sys.stdout.write("stopping\\n" if progress.stopping else f"{progress.sentences_done}\\n")
    sys.stdout.flush()
try:
    build_index(Path(sys.argv[1]), settings=settings, encoder=words_model(1, pause=0.03), progress=told).close()
except KeyboardInterrupt as stop:
    print("kept", stop.report.count("added"), flush=True)
    sys.exit(130)
"""


def test_ctrl_c_keeps_what_was_stored(tmp_path: Path, settings: IndexSettings) -> None:
    docs = tmp_path / "many"
    docs.mkdir()
    for number in range(100):
        (docs / f"{number:03}.txt").write_text(f"Note {number} is short. It ends here, at {number}.", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(docs), str(settings.store.path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.strip().isdigit() and int(line) > 20:
            process.send_signal(signal.SIGINT)
            break
    lines += [line.strip() for line in process.stdout]
    assert process.wait() == 130
    assert "stopping" in lines
    kept = int(lines[-1].split()[1])
    assert 10 < kept < 100
    with open_index(settings=settings, encoder=words_model(1)) as index:
        assert len(index.documents()) == kept
        assert index.verify().sound


def test_settings_of_the_run_change_nothing_that_is_stored(
    docs: Path, settings: IndexSettings, encoder: Encoder
) -> None:
    build_index(docs, settings=settings, encoder=encoder).close()
    other = settings.model_copy(update={"ingest": IngestSettings(chunk_sentences=1, cache_mb=0)})
    with build_index(docs, settings=other, encoder=encoder) as index:
        assert index.report is not None and index.report.count("unchanged") == 2
