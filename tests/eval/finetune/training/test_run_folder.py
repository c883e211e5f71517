"""A run's folder: steps are done once, other settings are refused, training sets come back as they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.finetune.training.run_folder import RunFolder
from indexes.errors import SettingsError, SourceError


def test_a_step_is_done_once_and_its_result_is_kept(tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        with RunFolder(tmp_path / "out", {"base": "minilm", "dims": (256, 128)}) as run:
            assert run.step("mine", lambda: calls.append("mine") or {"n": 3}) == {"n": 3}
            written = run.step("write", lambda: calls.append("write") or 7, save=lambda _: None, load=lambda: 7)
            assert written == 7
    assert calls == ["mine", "write"]
    assert run.continued and run.done("mine") and run.result("mine") == {"n": 3}
    assert set(run.seconds) == {"mine", "write"}


def test_a_step_that_fails_is_not_done(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunFolder(tmp_path / "out", {}) as run:
        run.step("mine", lambda: 1 / 0)
    with RunFolder(tmp_path / "out", {}) as again:
        assert not again.done("mine")


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "out", {"base": "minilm", "train": {"lr": 1e-5, "seed": 7}}) as run:
        run.step("mine", lambda: 1)
    with pytest.raises(SettingsError, match=r"started with train.lr = 1e-05, but now it is 2e-05"):
        RunFolder(tmp_path / "out", {"base": "minilm", "train": {"lr": 2e-5, "seed": 7}})
    with pytest.raises(SettingsError, match="started with train"):
        RunFolder(tmp_path / "out", {"base": "minilm"})


def test_an_option_that_did_not_exist_yet_counts_as_its_default(tmp_path: Path) -> None:
    before = {"base": "minilm", "pipeline": {"split": {"window": 2}}}
    with RunFolder(tmp_path / "out", before) as run:
        run.step("mine", lambda: 1)
    usual = {"accumulate": 1, "pipeline": {"split": {"window": 3, "passage": 0}, "store": {"path": "x"}}}
    usual["reads"] = {"depth": 50, "read": "window"}
    now = {**before, "accumulate": 1, "pipeline": {"split": {"window": 2, "passage": 0}}, "reads": {"depth": 50}}
    with RunFolder(tmp_path / "out", now, usual) as again:
        assert again.continued
    for changed, named in (
        ({"accumulate": 8}, "accumulate = 1, but now it is 8"),
        ({"pipeline": {"split": {"window": 2, "passage": 150}}}, "pipeline.split.passage = 0, but now it is 150"),
        ({"reads": {"depth": 20}}, "reads.depth = 50, but now it is 20"),
        ({"unheard": 4}, "unheard = None, but now it is 4"),
    ):
        with pytest.raises(SettingsError, match=named):
            RunFolder(tmp_path / "out", {**now, **changed}, usual)


def test_a_run_keeps_addresses_without_logins_and_keys(tmp_path: Path) -> None:
    settings = {"teacher": ("server:https://me:word@host/v1?sig=s3cr3t#m",), "llm": {"base_url": "http://a:bcd@host"}}
    with RunFolder(tmp_path / "out", settings) as run:
        run.step("mine", lambda: 1)
    text = (tmp_path / "out" / "run.json").read_text(encoding="utf-8")
    assert "s3cr3t" not in text and "word" not in text and "bcd" not in text and "https://***@host/v1?***#m" in text
    (tmp_path / "out" / "run.json").write_text(text.replace("***@host/v1?***", "old:pass@host/v1?sig=1"))
    with RunFolder(tmp_path / "out", settings) as again:  # written before addresses were masked
        assert again.continued


def test_a_run_that_ended_no_step_may_be_begun_anew(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "out", {"base": "minlm"}):
        pass
    with RunFolder(tmp_path / "out", {"base": "minilm"}) as again:
        assert not again.continued
        again.step("mine", lambda: 1)
    with RunFolder(tmp_path / "out", {"base": "minilm"}) as third:
        assert third.continued
    with pytest.raises(SettingsError, match="started with base"):
        RunFolder(tmp_path / "out", {"base": "minlm"})


HOLDER = """
import sys, time
from eval.finetune.training.run_folder import RunFolder

with RunFolder(sys.argv[1], {"base": "minilm"}) as run:
    run.step("mine", lambda: 1)
    print("at work", flush=True)
    time.sleep(600)
"""


def test_a_run_at_work_is_left_alone_and_a_killed_one_is_continued(tmp_path: Path) -> None:
    out = tmp_path / "out"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "at work\n"
        for settings in ({"base": "minilm"}, {"base": "other"}):  # who is at work comes before what differs
            with pytest.raises(
                SettingsError, match=f"the run in {out} is held open by process {holder.pid}; wait until"
            ):
                RunFolder(out, settings)
    finally:
        holder.kill()
        holder.communicate(timeout=60)
    with RunFolder(out, {"base": "minilm"}) as run:
        assert run.continued and run.done("mine")
        with pytest.raises(SettingsError, match="is already open in this process"):
            RunFolder(out, {"base": "minilm"})


def test_a_run_killed_before_its_settings_were_written_is_begun(tmp_path: Path) -> None:
    for name in ("run.lock", "run.json.part"):
        (tmp_path / name).write_text("", encoding="utf-8")
    with RunFolder(tmp_path, {}) as run:
        assert not run.continued
    assert (tmp_path / "run.json").is_file()


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SettingsError, match="no fine-tuning run"):
        RunFolder(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
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
