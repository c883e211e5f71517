"""The race runs, and both contestants agree."""

from __future__ import annotations

import json

import pytest

from eval.bench.score import main


def test_the_race_runs_and_the_contestants_agree(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pytrec_eval")
    assert main(["--queries", "20", "--candidates", "50", "--rounds", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {row["contestant"] for row in result["rows"]} == {"ours", "pytrec_eval"}
    assert float(result["facts"]["largest_difference"]) < 1e-9
