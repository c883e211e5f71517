"""ingest, delete and status where a server of the same store runs: they ask it instead of meeting its lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rag.cli.commands.status import _through_server
from rag.cli.options import Shared
from rag.cli.writing import finished, writing_server
from rag.client import Client
from rag.serve.address import announced
from rag.serve.app import build_app
from rag.serve.keys import KeyRing
from rag.serve.library import Library
from rag.settings import load_settings
from tests.rag.cli.cli_runner import Rag, runner

TOKEN = "the-owner's-token"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rag]:
    """The command beside a server that holds its store; requests go to the application itself."""
    environ = {"RAG_STORE_PATH": str(tmp_path / "store"), "RAG_PROFILE": "offline", "RAG_LLM_PROVIDER": "none"}
    rag = runner({**environ, "RAG_ENCODER_PROVIDER": "minilm", "RAG_ENCODER_MODEL": "minilm"})
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "kettle.md").write_text("# Kettle\n\nThe kettle is blue.\n", encoding="utf-8")
    settings = load_settings(
        profile="offline",
        **{"store.path": environ["RAG_STORE_PATH"], "llm.provider": "none"},
        **{"encoder.provider": "minilm", "encoder.model": "minilm"},
    )
    assert rag("ingest", "docs").exit_code == 0
    library = Library(settings)
    library.load()
    app = build_app(settings, library=library, keys=KeyRing(tmp_path / "keys.toml"), load=False, owner_token=TOKEN)
    with TestClient(app, base_url="http://127.0.0.1:8321") as http, announced(settings, "http://127.0.0.1:8321", TOKEN):
        app.state.service.state = "ready"

        def connect(self: Client, url: str, *, key: str | None = None, timeout: float = 1.0) -> None:
            self.url = url
            self._http = TestClient(  # type: ignore[assignment]
                app, base_url=f"{url}/api/v1", headers={"authorization": f"Bearer {key}"}
            )

        assert http.get("/readyz").status_code == 200
        monkeypatch.setattr(Client, "__init__", connect)
        monkeypatch.setattr(Client, "close", lambda self: None)
        yield rag


def test_the_server_does_the_writing_and_refuses_other_settings(served: Rag, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "jay.txt").write_text("The jay hides acorns. It is loud.", encoding="utf-8")
    (folder / "empty.txt").write_text("", encoding="utf-8")
    done = served("ingest", "docs", "--report", "report.jsonl")
    assert done.exit_code == 3, done.output
    assert "1 added, 1 unchanged, 1 skipped; 2 sentences written" in done.stdout
    assert "holds 3 sentences" in done.stdout and "through the running server at" in done.stderr
    assert "skipped docs/empty.txt: " in done.stderr
    assert len((tmp_path / "report.jsonl").read_text().splitlines()) == 3
    row: dict[str, Any] = {"name": "default"}
    client = Client("http://127.0.0.1:8321", key=TOKEN)
    assert _through_server(row, lambda: client, True) and not _through_server({}, lambda: None, True)
    assert (row["documents"], row["sentences"]) == (2, 3)
    assert {document["doc_id"] for document in row["list"]} == {"docs/kettle.md", "docs/jay.txt"}
    gone = json.loads(served("delete", "docs/jay.txt", "nowhere.txt", "--json").stdout)
    assert [row["sentences"] for row in gone["removed"]] == [2] and gone["missing"] == ["nowhere.txt"]
    (folder / "kettle.md").unlink()
    pruned = json.loads(served("ingest", "docs", "--prune", "--json").stdout)
    assert pruned["removed"] == 1 and pruned["collection"] == "default"
    missing = served("ingest", "no such folder")
    assert missing.exit_code == 1 and "no such folder" in missing.stderr

    refused = served("ingest", "docs", "--set", "split.max_chars=500")
    assert refused.exit_code == 1 and "a different split.max_chars" in refused.stderr
    arguments = {"store.path": str(tmp_path / "store"), "encoder.provider": "minilm", "encoder.model": "minilm"}
    shared = Shared(profile="offline", arguments={**arguments, "llm.model": "other"})
    client = writing_server(shared)  # what only concerns answers may differ
    assert client is not None
    with pytest.raises(Exception, match="nothing-here"):
        finished(client, client.ingest("default", ["/nothing-here"]), lambda progress: None)


def test_without_a_server_nothing_is_asked(tmp_path: Path) -> None:
    assert writing_server(Shared(profile="offline", arguments={"store.path": str(tmp_path)})) is None
