"""A run's folder: steps are done once, other settings are refused, training sets come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.finetune.data import Example, TrainingSet
from eval.finetune.run_folder import RunFolder
from indexes.errors import SettingsError, SourceError


def test_a_step_is_done_once_and_its_result_is_kept(tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        run = RunFolder(tmp_path / "out", {"base": "minilm", "dims": (256, 128)})
        assert run.step("mine", lambda: calls.append("mine") or {"n": 3}) == {"n": 3}
        written = run.step("write", lambda: calls.append("write") or 7, save=lambda _: None, load=lambda: 7)
        assert written == 7
    assert calls == ["mine", "write"]
    assert run.continued and run.done("mine") and run.result("mine") == {"n": 3}
    assert set(run.seconds) == {"mine", "write"}


def test_a_step_that_fails_is_not_done(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out", {})
    with pytest.raises(ZeroDivisionError):
        run.step("mine", lambda: 1 / 0)
    assert not RunFolder(tmp_path / "out", {}).done("mine")


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    RunFolder(tmp_path / "out", {"base": "minilm", "train": {"lr": 1e-5, "seed": 7}}).step("mine", lambda: 1)
    with pytest.raises(SettingsError, match=r"begun with train.lr = 1e-05, and now it is 2e-05"):
        RunFolder(tmp_path / "out", {"base": "minilm", "train": {"lr": 2e-5, "seed": 7}})
    with pytest.raises(SettingsError, match="begun with train"):
        RunFolder(tmp_path / "out", {"base": "minilm"})


def test_a_run_that_ended_no_step_may_be_begun_anew(tmp_path: Path) -> None:
    RunFolder(tmp_path / "out", {"base": "minlm"})
    again = RunFolder(tmp_path / "out", {"base": "minilm"})
    assert not again.continued
    again.step("mine", lambda: 1)
    assert RunFolder(tmp_path / "out", {"base": "minilm"}).continued
    with pytest.raises(SettingsError, match="begun with base"):
        RunFolder(tmp_path / "out", {"base": "minlm"})


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SettingsError, match="no fine-tuning run"):
        RunFolder(tmp_path, {})
    with pytest.raises(SettingsError, match="is a file"):
        RunFolder(tmp_path / "notes.txt", {})


def test_a_broken_run_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"settings": {', encoding="utf-8")
    with pytest.raises(SourceError, match=r"run\.json cannot be read"):
        RunFolder(tmp_path, {})


def test_a_training_set_comes_back_whole(tmp_path: Path) -> None:
    texts = {"a": "first\u2028line", "b#0-2": "第二", "c": "third"}
    found = TrainingSet(
        [Example("q1", "which?", ("a",), ("b#0-2", "c")), Example("q2", "那个？", ("c",))], texts, ["n"]
    )
    found.save(tmp_path / "mined.jsonl")
    again = TrainingSet.load(tmp_path / "mined.jsonl")
    assert again == found and again.hash == found.hash
    assert TrainingSet(found.examples[:1], texts).hash != found.hash


def test_a_training_set_with_a_missing_text_is_refused(tmp_path: Path) -> None:
    TrainingSet([Example("q1", "which?", ("a",), ("b",))], {"a": "x"}).save(tmp_path / "mined.jsonl")
    with pytest.raises(SourceError, match=r"line 3 .*'b' is missing"):
        TrainingSet.load(tmp_path / "mined.jsonl")
