"""The race runs on a tiny model, and says what it raced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.bench.__main__ import main
from tests.eval.finetune.harbour import tiny_bert, write_harbour


def test_the_race_runs_and_both_learn_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_harbour(tmp_path / "harbour")
    tiny_bert(tmp_path / "tiny")
    arguments = ["finetune", "--dataset", str(tmp_path / "harbour"), "--base", str(tmp_path / "tiny"), "--batch", "8"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["rows"]) == 2
    assert {row["steps"] for row in result["rows"]} == {8}
    assert result["rows"][0]["times_faster"] == 1.0
    assert all(0 <= row["nDCG@10"] <= 1 for row in result["rows"])
    assert "12 test" in result["facts"]["questions"]
    if result["facts"]["gpu"].startswith("none:"):
        assert [row["contestant"] for row in result["rows"]] == ["recipe", "ours"]


@pytest.mark.parametrize("reads", ["windows", "sentences"])
def test_both_ways_of_reading_lists_cost_the_same_loss(
    reads: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_bert(tmp_path / "tiny")
    small = ["--base", str(tmp_path / "tiny"), "--lists", "4", "--texts", "3", "--rounds", "1"]
    assert main(["lists", *small, *(["--sentences"] if reads == "sentences" else []), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    recipe, ours = result["rows"]
    assert (recipe["contestant"], ours["contestant"], recipe["times_faster"]) == ("recipe", "ours", 1.0)
    assert result["facts"]["pairs"] == 12 and result["facts"]["reads"] == reads
    assert ours["loss"] == pytest.approx(recipe["loss"], abs=0.02) and ours["loss"] > 0.1
