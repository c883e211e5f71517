"""Folders of the user on Linux, macOS and Windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from eval.measure.cache import cache_folder
from indexes.folders import below_home, passed_over, user_folder
from rag.models.folder import models_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.delenv(f"XDG_{kind}_HOME", raising=False)
    monkeypatch.delenv("RAG_EVAL_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "linux", "mac"),
    [
        ("config", ".config/ragwright", "Library/Application Support/ragwright"),
        ("cache", ".cache/ragwright", "Library/Caches/ragwright"),
        ("data", ".local/share/ragwright", "Library/Application Support/ragwright"),
    ],
)
def test_each_system_has_its_places(home: Path, kind: Any, linux: str, mac: str) -> None:
    assert user_folder(kind, system=Unix) == home / linux
    assert user_folder(kind, system=MacOS) == home / mac
    (home / linux).mkdir(parents=True)
    assert user_folder(kind, system=MacOS) == home / linux  # what an earlier version made stays in use


def test_windows_keeps_them_in_the_local_application_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = home / "AppData" / "Local"
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda name: str(local))
    found = [str(user_folder(kind, system=Windows)) for kind in ("config", "data", "cache")]
    assert [name.replace("\\", "/") for name in found] == [f"{local}/ragwright"] * 2 + [f"{local}/ragwright/Cache"]


@pytest.mark.parametrize("system", [Unix, MacOS])
def test_variables_name_another_place(home: Path, system: Any) -> None:
    environ = {"HOME": str(home), "XDG_CACHE_HOME": "/big/disk", "XDG_DATA_HOME": "/other"}
    (home / ".cache/ragwright").mkdir(parents=True)
    assert user_folder("cache", environ, system=system) == Path("/big/disk/ragwright")
    assert user_folder("data", environ, system=system) == Path("/other/ragwright")
    (home / ".local/share/ragwright").mkdir(parents=True)  # a store that stood there before the variable was read
    assert user_folder("data", environ, system=system) == home / ".local/share/ragwright"


def test_a_data_folder_that_is_passed_over_is_named(home: Path) -> None:
    environ = {"HOME": str(home), "XDG_DATA_HOME": "/other"}
    assert passed_over(environ) is None  # it is used
    old = home / ".local/share/ragwright"
    old.mkdir(parents=True)
    why = passed_over(environ)
    assert why is not None and "'/other' is not used" in why and f"'{old}'" in why and "'/other/ragwright'" in why
    assert passed_over({"HOME": str(home)}) is None
    assert passed_over({"HOME": str(home), "XDG_DATA_HOME": str(home / ".local/share")}) is None  # the same folder


def test_fetched_models_and_measured_embeddings_lie_in_the_cache(home: Path) -> None:
    assert models_folder() == user_folder("cache") / "models"
    assert cache_folder() == user_folder("cache") / "eval"
    assert below_home(home / "a" / "b") == Path("~/a/b")
    assert below_home(Path("/elsewhere")) == Path("/elsewhere")
