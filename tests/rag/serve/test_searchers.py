"""A server whose collections are searched by other processes (``store.searchers``)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes import build_index
from indexes.store.edge.searchers import pool
from rag.serve.app import build_app
from rag.serve.keys import KeyRing
from rag.serve.library import Library
from tests.rag.serve.conftest import settings_at

PATIENCE = 300.0  # seconds, on a busy machine


def test_answers_are_right_while_a_write_happens_and_searchers_end_with_the_server(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "QUIET", 0.05)
    monkeypatch.setattr(pool, "REST", 0.0)
    settings = settings_at(tmp_path / "store", search_seconds=PATIENCE)
    settings = settings.model_copy(update={"store": settings.store.model_copy(update={"searchers": 2})})
    (tmp_path / "a.md").write_text("# Kettle\n\nThe kettle is blue.\n", encoding="utf-8")
    encoder = library.encoder
    assert encoder is not None
    build_index(tmp_path / "a.md", collection="notes", settings=settings, encoder=encoder.inner).close()
    made = Library(settings, encoder=encoder.inner)
    made.load()
    app = build_app(settings, library=made, keys=KeyRing(tmp_path / "keys.toml"), load=False)
    with TestClient(app, base_url="http://127.0.0.1:8321") as client:
        app.state.service.state = "ready"

        def found(question: str, **options: Any) -> list[str]:
            asked = {"question": question, "collection": "notes", **options}
            return [row["text"] for row in client.post("/api/v1/search", json=asked).json()["passages"]]

        assert found("kettle") == ["The kettle is blue."]
        searchers, folder = made.engine.calls.searchers, made.engine.calls.edge_folder("notes")
        wait(lambda: searchers.ready(folder))
        assert found("Which colour has the kettle?") == ["The kettle is blue."]
        pids = searchers.pids
        assert len(pids) == 2 and os.getpid() not in pids
        for colour in ("green", "red", "grey"):
            text = "\n\n".join(f"Cup {n} is {colour}." for n in range(8))
            sent = client.post(
                "/api/v1/collections/notes/documents", files=[("files", ("cups.txt", text.encode()))]
            ).json()["job"]
            turn, state = 0, "waiting"
            while state in ("waiting", "running"):
                turn += 1
                assert "The kettle is blue." in found(f"What does kettle {colour} {turn} look like?")
                state = client.get(f"/api/v1/jobs/{sent}").json()["state"]
            assert state == "done"
            seen = found(f"Which colour has cup 7 of the {colour} ones?", top_k=20)
            assert any(f"Cup 7 is {colour}." in text for text in seen), seen
            assert not any("Cup" in text and colour not in text for text in seen), seen
        wait(lambda: searchers.ready(folder))
        many = client.post(
            "/api/v1/search", json={"collection": "notes", "questions": [f"Cup {n} is grey" for n in range(8)]}
        ).json()["results"]
        assert all(f"Cup {n} is grey." in row["passages"][0]["text"] for n, row in enumerate(many))
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not list((tmp_path / "store").rglob("shard.*"))


def wait(holds: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)
