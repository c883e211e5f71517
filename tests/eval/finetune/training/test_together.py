"""torchrun's agent with two processes of this machine (gloo): both kinds of models, a kill, a continued run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eval.finetune.training.together import follows, processes
from indexes.errors import SettingsError
from tests import ROOT
from tests.eval.finetune.embedder.harbour import tiny_encoder, write_harbour

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    write_harbour(folder / "harbour")
    tiny_encoder(folder / "tiny")
    return folder


def run(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    known = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **environ}
    return subprocess.run([*map(str, arguments)], env=known, capture_output=True, text=True, timeout=900)


def test_two_processes_train_both_kinds_and_go_on_after_a_kill(place: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("two_processes.py")
    whole = run(sys.executable, script, place, tmp_path)
    assert whole.returncode == 0, whole.stderr[-3000:]
    killed = json.loads((tmp_path / "killed.json").read_text())
    assert killed["status"] != 0 and killed["left"] and not killed["model"]
    counts, _, notes = (tmp_path / "result.txt").read_text().partition(" | ")
    first, steps, lists = map(int, counts.split())
    assert steps == 9  # 24 rows, 4 a process, 3 epochs: half the steps of one process
    assert first == 5  # the first step after the last checkpoint
    assert lists == 2
    assert "2 processes trained together, so each step has 8 rows" in notes
    assert (tmp_path / "model/model.safetensors").is_file() and (tmp_path / "reranker/model.safetensors").is_file()
    rows = (tmp_path / "loss.csv").read_text().splitlines()
    assert rows[-1].startswith("9,3.0")


@pytest.mark.skipif("RAG_TEST_PROCESSES" not in os.environ, reason="a whole run in two processes: make test-browser")
def test_the_command_under_torchrun(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ("-m", "eval", "finetune", "embedder", place / "harbour", "--base", place / "tiny", "--out", out)
    options = ("--epochs", 1, "--batch", 4, "--accumulate", 2, "--set", "encoder.device=cpu", "--cache", tmp_path / "c")
    result = run(*TORCHRUN, *given, *options, RAG_PROFILE="offline")
    assert "MAP" in result.stdout and result.stdout.count("Held-out questions") == 1, result.stderr[-3000:]
    assert "2 processes trained together, so each step has 16 rows" in result.stdout + result.stderr
    assert (out / "model/model.safetensors").is_file()
    assert json.loads((out / "run.json").read_text())["steps"].keys() >= {"score base", "train", "score tuned"}


def test_several_machines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes() == 1 and not follows()
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match="several machines"):
        processes()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "1")
    assert follows()
