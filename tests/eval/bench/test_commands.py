"""The bench that calls every command: on a small collection, in the test's process, and what it makes of failures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import Result

from eval.bench.commands import COMMANDS, CommandOutcome, line, main, measure, plan


def test_every_command_runs_on_a_collection(
    call: Callable[..., Result], lighthouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def here(arguments: Sequence[str]) -> tuple[int, str, str]:
        result = call(*arguments)
        return result.exit_code, result.stdout, result.stderr

    few = ["tune", "calibrate"]  # four questions are too few for them
    done = [command for command in COMMANDS if command not in (*few, "synthesize")]  # test_synthesize.py has that one
    options = [str(lighthouse.parent), "--minilm", "lighthouse", "--out", str(tmp_path / "out"), "--json"]
    code = main([*options, "--answers", "1", "--only", ",".join(done)], here)
    found = json.loads(capsys.readouterr().out)
    assert code == 0, [outcome for outcome in found if not outcome["ok"]]
    assert [outcome["command"] for outcome in found] == done
    assert "false facts" in next(outcome["remark"] for outcome in found if outcome["command"] == "robustness")
    assert (tmp_path / "out" / "lighthouse" / "report.html").is_file()
    assert main([*options, "--only", ",".join(few)], here) == 1
    tuned, calibrated = json.loads(capsys.readouterr().out)
    assert not tuned["ok"] and "too few for 5 folds" in tuned["remark"]
    assert not calibrated["ok"] and "too few for a false-answer rate" in calibrated["remark"]


def test_a_failure_ends_a_command_and_a_verdict_is_none() -> None:
    def says(code: int, words: str) -> Callable[[Sequence[str]], tuple[int, str, str]]:
        return lambda arguments: (code, "", words)

    found = measure(
        "set", "convert", [["convert"], ["convert"]], says(1, "note: it has no title\nrag-eval: no such file\n")
    )
    assert (found.ok, found.code, found.remark) == (False, 1, "rag-eval: no such file")
    worse = measure("set", "gate", [["gate"]], says(1, "worse"))
    assert worse.ok and "verdict" in worse.remark
    assert not measure("set", "gate", [["gate"]], says(3, "not found")).ok
    assert not measure("set", "run", [["run"]], says(0, "Traceback (most recent call last):\nValueError: x")).ok
    assert (
        measure("set", "run", [["run"]], says(0, "note: it has no answers\nnote: fine")).remark == "it has no answers"
    )
    assert "FAILED: gone" in line(CommandOutcome("set", "run", 2, 1.0, False, "gone"))


def test_the_plan_follows_the_collection(lighthouse: Path, tmp_path: Path) -> None:
    for command in COMMANDS:
        assert all(words[0] in COMMANDS for words in plan(lighthouse, command, "minilm", tmp_path, 9, 1))
    assert "--holdout" in plan(lighthouse, "tune", "minilm", tmp_path, 9, 1)[0]
    (tmp_path / "qrels").mkdir()
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert plan(tmp_path, "tune", "minilm", tmp_path, 9, 1)[0][-1] == "--drop-shared"


def test_a_folder_without_collections_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path)])
    assert stopped.value.code == 2 and "has no dataset" in capsys.readouterr().err
