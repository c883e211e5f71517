"""The example scripts of the guide run as they stand, on small collections."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from eval.finetune.proof import forgetting
from tests import ROOT
from tests.eval.finetune.conftest import cut_probes
from tests.eval.finetune.harbour import tiny_bert, write_harbour
from tests.eval.lighthouse import write_beir

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RAG_STORE_PATH", str(tmp_path / "store"))
    monkeypatch.setattr(forgetting, "probes", lambda: list(cut_probes()))


def run(name: str, *arguments: str) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](*arguments)


def test_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("evaluate", str(write_beir(tmp_path / "lighthouse")))
    said = capsys.readouterr().out
    assert "minmax" in said and "dense" in said and "MAP" in said


def test_finetune(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tiny_bert(tmp_path / "base")
    run("finetune", str(write_harbour(tmp_path / "harbour")), str(base), str(tmp_path / "out"))
    said = capsys.readouterr().out
    assert "before" in said and "MRR@10" in said and "relative" in said and "[encoder]" in said


def test_query_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "pier.md").write_text("# Pier\n\nThe salt pier was built in 1894 by Ada Holm.\n")
    run("query_engine", str(tmp_path / "notes"), "Who built the salt pier?")
    said = capsys.readouterr().out
    assert "Ada Holm" in said and "[1]" in said and "pier.md" in said
