"""The race of readers: a process of another tree reads every file in turn with this one's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.bench import ingest
from eval.bench.reading import race
from indexes.errors import SourceError


def test_a_reader_of_a_tree_times_what_it_can_read(tmp_path: Path) -> None:
    mill, empty = tmp_path / "mill.txt", tmp_path / "empty.md"
    mill.write_text("The mill stood by the river. " * 400, encoding="utf-8")
    empty.touch()
    with race.Reader(Path(__file__).parents[3]) as reader:
        best = race.best(mill, reader, reader)
        assert best is not None
        assert 0 < max(best) < 5
        assert race.best(empty, reader, reader) is None


def test_a_folder_without_readers_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no package 'indexes'"):
        race.main(tmp_path, tmp_path, as_json=True)


def test_everything_but_the_model_is_measured_in_a_process_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    ingest.main(["--beside", "--sentences", "100", "--json"])
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["tree"], row["ratio"]) == ("now", 1.0) and 90 < row["sentences"] <= 100
    assert row["ms"] > row["own_ms"] > 0 < row["other_processes_ms"]
