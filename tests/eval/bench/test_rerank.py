"""The rerank race runs, and its contestants agree."""

from __future__ import annotations

import json

import pytest

from eval.bench.rerank import main, windows


def test_contestants_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--candidates", "6", "--hidden", "64", "--layers", "1", "--rounds", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    rows = {row["contestant"]: row for row in result["rows"]}
    assert rows["FlagReranker"]["times_faster"] == 1
    assert rows["float32"]["raw_max_difference"] < 1e-3
    assert rows["float32"]["same_in_best_10"] == 6


def test_windows_are_of_different_lengths() -> None:
    lengths = [len(window) for window in windows(10, 3)]
    assert max(lengths) > 1.5 * min(lengths)
    assert windows(10, 3) == windows(10, 3)
