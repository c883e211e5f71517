"""Progress: a bar on a terminal, a line now and then elsewhere, and an estimate that moves within a large file."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from indexes.ingest.report import FileReport, Progress
from rag.cli import progress as module
from rag.cli.commands.ingest import GrowingReport
from rag.cli.progress import Waiting, line, progress_bar, rate, span
from tests.rag.cli.cli_runner import runner
from tests.rag.cli.screen import screen


def test_the_estimate_moves_while_one_file_is_encoded() -> None:
    texts = [
        rate(Progress(9, 10, 100, "big.pdf", seconds, encoded=encoded, expected=1000))
        for encoded, seconds in ((200, 10.0), (600, 30.0), (1200, 60.0))
    ]
    assert texts == [
        "200 sentences, 20 a second, about 0:40 left",
        "600 sentences, 20 a second, about 0:20 left",
        "1,200 sentences, 20 a second",
    ]
    assert rate(Progress(0, 1, 0, "big.pdf", 42.0)) == "0 sentences in 0:42"
    waiting = "1,024 sentences read, loading the model or encoding the first of them, 0:42"
    assert rate(Progress(0, 1, 0, "big.pdf", 42.0, read=1024)) == waiting
    assert rate(Progress(0, 1, 0, "big.pdf", 60.0, encoded=12)) == "12 sentences, 12 a minute"
    assert rate(Progress(0, 9, 0, "a.md", 640.0, encoded=2, expected=9000)) == "2 sentences in 10:40"
    assert (
        rate(Progress(5, 10, 50, seconds=10.0)) == "50 sentences, 5 a second, about 0:10 left"
    )  # documents, reindexed
    assert [span(9.6), span(725), span(3725)] == ["0:10", "12:05", "1:02:05"]


def test_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress_bar() as show:
        for seconds in range(0, 100, 10):
            now[0] = float(seconds)
            show(Progress(3, 12, 40, "/elsewhere/a.md", float(seconds), encoded=50, expected=200))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == "3 of 12 files, 50 sentences, 2 a second, about 1:30 left; now /elsewhere/a.md"
    assert line(Progress(0, 0, 0), "file") == "looking for files, 0 sentences"
    assert line(Progress(1, 1, 1, encoded=1), "file") == "1 of 1 file, 1 sentence"


@pytest.mark.parametrize("columns", [80, 120])
def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    terminal = screen(monkeypatch, "stderr", columns)
    with progress_bar() as show:
        show(Progress(1, 2, 10, "a"))
    assert terminal.written == ""  # not yet: short runs show none
    monkeypatch.setattr(module, "DELAY", 0.0)
    monkeypatch.setattr(module, "INTERVAL", 0.0)
    with progress_bar() as show:
        show(Progress(1, 2, 10, "a"))
        show(Progress(1, 2, 10, "/folder/手册.pdf", 10.0, encoded=20, expected=100))
    assert "1/2 files" in terminal.written and "| 20 sentences, 2 a second, about 0:40 left" in terminal.written
    assert ("手册.pdf" in terminal.written) == (columns > 80) and "/folder" not in terminal.written


def test_the_bar_moves_while_the_model_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = screen(monkeypatch, "stderr")
    monkeypatch.setattr(module, "DELAY", 0.0)
    with progress_bar() as show:
        show(Progress(0, 1, 0, "huge.txt", 30.0))
        time.sleep(1.3)
    assert "0 sentences in 0:30" in terminal.written and "0 sentences in 0:31" in terminal.written
    shown = terminal.written
    time.sleep(1.1)
    assert terminal.written == shown


def test_waiting_says_what_for_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = screen(monkeypatch, "stderr")
    with Waiting("searching", delay=0.01) as waiting:
        time.sleep(0.1)
        waiting.now("reading")
    assert "searching … 0 s" in terminal.seen or terminal.seen == ""
    assert "searching" in terminal.written and terminal.seen.strip() == ""
    before = terminal.written
    with Waiting("quick"):
        pass
    assert terminal.written == before


def test_the_report_grows_while_the_run_goes_on(tmp_path: Path) -> None:
    path, files = tmp_path / "report.jsonl", [FileReport("a", "added")]
    with GrowingReport(path) as growing:
        watch = growing.watched(lambda progress: None)
        watch(Progress(1, 3, 0, files=files))
        assert [json.loads(text)["path"] for text in path.read_text().splitlines()] == ["a"]
        files += [FileReport("b", "skipped", reason="empty"), FileReport("c", "added")]
        watch(Progress(3, 3, 0, files=files))
    assert [json.loads(text)["path"] for text in path.read_text().splitlines()] == ["a", "b", "c"]


def test_a_run_counts_what_it_encodes_and_expects(tmp_path: Path) -> None:
    from indexes import build_index
    from rag.settings import load_settings

    for number, sentences in enumerate((4, 8, 40)):
        text = " ".join(f"Berth {number}-{place} is empty today." for place in range(sentences))
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
    seen: list[Progress] = []
    settings = load_settings(
        profile="offline", store={"path": str(tmp_path / "store")}, ingest={"chunk_sentences": 8}, encoder=MINILM
    )
    build_index(tmp_path, settings=settings, progress=seen.append).close()
    assert seen[-1].encoded == 52 and len(seen[-1].files) == 3
    encoded = [progress.encoded for progress in seen if progress.current.endswith("2.txt")]
    assert len(set(encoded)) > 3  # it moves within the last file, whose sentences are stored when it ends
    known = [progress.expected for progress in seen if progress.expected is not None]
    assert known and all(40 <= expected <= 60 for expected in known[-3:])


MINILM = {"provider": "minilm", "model": "minilm"}


def test_many_remarks_and_deleted_folders_are_summed_up(tmp_path: Path) -> None:
    rag = runner(
        {"RAG_STORE_PATH": str(tmp_path / "store"), "RAG_PROFILE": "offline", "RAG_ENCODER_PROVIDER": "minilm"}
    )
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(25):
        (docs / f"empty{number}.txt").write_text("", encoding="utf-8")
    for number in range(3):
        (docs / f"{number}.txt").write_text(f"Number {number} is here.", encoding="utf-8")
    result = rag("ingest", str(docs))
    assert result.exit_code == 3
    assert result.stderr.count("skipped ") == 20 and "... and 5 more skipped; --report FILE lists all" in result.stderr
    (docs / "0.txt").unlink()
    pruned = rag("ingest", str(docs), "--prune")
    assert "removed, its file is gone: docs/0.txt" in pruned.stderr and "1 removed" in pruned.stdout
    removed = rag("delete", str(docs))
    assert removed.stdout == "removed 2 documents of docs (2 sentences)\n"
