"""Members of a zip file that cannot be read count as skipped files: in the report, in --report, in the exit code."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from indexes import build_index, plan_index
from indexes.encoders.base import Encoder
from indexes.settings.sections import EncoderSettings, IndexSettings, StoreSettings
from rag.cli.main import main


def packed(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_a_faulty_member_is_a_skipped_file(tmp_path: Path, encoder: Encoder) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    archive = docs / "all.zip"
    packed(archive, {"good.txt": b"The hen lays an egg.", "bad.pdf": b"%PDF", "a/empty.txt": b"", "p.png": b"x"})
    settings = IndexSettings(
        encoder=EncoderSettings(provider="minilm", model="minilm"), store=StoreSettings(path=tmp_path / "store")
    )
    root = f"{archive}!/"
    for status in ("added", "unchanged"):  # what is wrong stays wrong, though the archive is not opened again
        with build_index(docs, settings=settings, encoder=encoder) as index:
            report = index.report
            assert report is not None
            found = {file.path.removeprefix(root): file for file in report.files}
            assert found[str(archive)].status == status
            assert found["bad.pdf"].status == found["a/empty.txt"].status == "skipped"
            assert "is damaged or not a PDF" in str(found["bad.pdf"].reason)
            assert "is empty" in str(found["a/empty.txt"].reason)
            assert (report.skipped, index.count) == (2, 1)
            assert report.ignored == ({".png": 1} if status == "added" else {})
            assert not found[str(archive)].notes
    assert plan_index(docs, settings=settings).skipped == 2
    packed(archive, {"good.txt": b"The hen lays an egg.", "bad.txt": b"It is good now."})
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert index.report is not None and (index.report.skipped, index.count) == (0, 2)
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert index.report is not None and index.report.skipped == 0


def test_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packed(tmp_path / "all.zip", {"good.txt": b"The hen lays an egg.", "in/bad.docx": b"PK\x03\x04 no more"})
    env = {"RAG_STORE_PATH": str(tmp_path / "store"), "RAG_ENCODER_PROVIDER": "minilm", "RAG_ENCODER_MODEL": "minilm"}
    for status in ("added", "unchanged"):
        done = CliRunner().invoke(main, ["ingest", "all.zip", "--json", "--report", "r.jsonl"], env=env)
        assert done.exit_code == 3, done.output
        assert "bad.docx" in done.stderr and "cut off" in done.stderr
        lines = [json.loads(line) for line in Path("r.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [line["status"] for line in lines] == [status, "skipped"]
        assert lines[1]["path"] == f"{tmp_path.resolve()}/all.zip!/in/bad.docx"
        assert "cut off" in lines[1]["reason"]
        assert json.loads(done.stdout)["skipped"] == 1


def test_what_the_command_does_not_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("One sentence.", encoding="utf-8")
    env = {"RAG_STORE_PATH": str(tmp_path / "store"), "RAG_ENCODER_PROVIDER": "minilm", "RAG_ENCODER_MODEL": "minilm"}
    empty = CliRunner().invoke(main, ["ingest", "", "--dry-run"], env=env)  # a variable that is not set, not the folder
    assert (empty.exit_code, "an empty path was given" in empty.stderr) == (1, True)
    (tmp_path / "store" / "edge").mkdir(parents=True)
    (tmp_path / "store" / "edge" / "collection.json").write_text("{}", encoding="utf-8")
    here = CliRunner().invoke(main, ["ingest", ".", "--dry-run", "--report", "/dev/full"], env=env)
    assert here.exit_code == 1 and "the report '/dev/full' cannot be written" in here.stderr
    here = CliRunner().invoke(main, ["ingest", ".", "--dry-run"], env=env)
    assert here.stdout.startswith("1 added;"), here.output  # the store's own files are no documents
