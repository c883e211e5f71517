"""The race itself on a tiny network: it must run, agree, and print one JSON object."""

from __future__ import annotations

import json

import pytest

from eval.bench.encode import main
from eval.bench.timing import alternate, ratio


def test_contestants_take_turns() -> None:
    turns: list[str] = []
    seconds = alternate({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, rounds=3)
    assert "".join(turns) == "ab" + "ab" + "ba" + "ab"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
    assert ratio({"slow": [6.0, 4.0, 9.0], "fast": [2.0, 2.0, 3.0]}, "slow", "fast") == 3.0


def test_race_runs_and_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--texts", "8", "--rounds", "1", "--layers", "2", "--hidden", "64", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    ours = next(row for row in result["rows"] if row["contestant"] == "float32")
    assert ours["cosine_min"] >= 0.99999 and ours["sparse_max_difference"] < 1e-5
    same, wanted = ours["terms_in_common"].split("/")
    assert same == wanted and int(wanted) > 0
    assert result["facts"]["layers"] == 2 and result["facts"]["date"]
