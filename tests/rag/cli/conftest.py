"""A small collection of the offline profile, built once through the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rag.cli.cli_runner import Rag, runner

GUIDE = """# Windows

## Merging

A window is the run of sentences around a hit. Overlapping windows of one document are merged into one passage.
The width of a window is chosen when the question is asked.

## 宽度

窗口的宽度在提问时选择。默认是左右各三句。
"""
PRICES = "Apples cost three coins a pound. Pears are sold by the basket. The market opens on Saturday.\n"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rag.toml of the developer is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "windows.md").write_text(GUIDE, encoding="utf-8")
    (folder / "archive").mkdir()
    (folder / "archive" / "prices.txt").write_text(PRICES, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    return {"RAG_STORE_PATH": str(tmp_path_factory.mktemp("store")), "RAG_PROFILE": "offline"}


@pytest.fixture(scope="module")
def rag(environ: dict[str, str | None], documents: Path) -> Rag:
    """The command, with both documents in the collection 'default'."""
    invoke = runner(environ)
    result = invoke("ingest", str(documents))
    assert result.exit_code == 0, result.output
    return invoke


@pytest.fixture
def bare(tmp_path: Path) -> Rag:
    """The command with an empty store and the default profile."""
    return runner({"RAG_STORE_PATH": str(tmp_path / "store")})
