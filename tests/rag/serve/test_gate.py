"""Before every route: hosts, keys, sizes, request ids; and that nothing leaks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from indexes.errors import SettingsError, StoreError
from rag.serve.address import address_path, announced, difference, read_address
from rag.serve.errors import Problem, problem_of, without_paths
from rag.serve.keys import KeyRing, bearer
from rag.serve.run import bind, check_bind, run_server
from rag.serve.wire import display_name, document_id
from rag.serve.writing.uploads import clean_name
from tests.rag.serve.conftest import settings_at

KEYS = {"reader": (("read",), ("handbook",)), "writer": (("read", "write"), ("*",))}


def test_another_host_is_refused_on_loopback(serve: Callable[..., TestClient]) -> None:
    client = serve(hosts=("docs.example",))
    for host, status in (("evil.example", 421), ("localhost:8321", 200), ("[::1]:8321", 200), ("docs.example", 200)):
        assert client.get("/healthz", headers={"host": host}).status_code == status


def test_keys_scopes_and_collections(serve: Callable[..., TestClient]) -> None:
    client = serve(KEYS)
    reader = {"authorization": f"Bearer {client.keys['reader']}"}  # type: ignore[attr-defined]
    assert client.get("/healthz").status_code == 200
    for path in ("/api/v1/collections", "/v1/models", "/metrics"):
        refused = client.get(path)
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    names = [row["name"] for row in client.get("/api/v1/collections", headers=reader).json()["collections"]]
    assert names == ["handbook"]
    hidden = client.get("/api/v1/collections/garden", headers=reader)
    missing = client.get("/api/v1/collections/nowhere", headers=reader)
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.replace("garden", "nowhere") == missing.text
    asked = client.post("/api/v1/ask", json={"question": "x", "collection": "handbook"}, headers=reader)
    assert asked.status_code == 403 and "rag key new" in asked.json()["error"]["remedy"]


def test_sizes_ids_and_types(serve: Callable[..., TestClient]) -> None:
    client = serve()
    long = client.post("/api/v1/search", content=b"x" * 1_100_000, headers={"content-type": "application/json"})
    assert long.status_code == 413
    chunks = (b"x" * 300_000 for _ in range(5))
    cut = client.post("/api/v1/search", content=chunks, headers={"content-type": "application/json"})
    assert cut.status_code == 413
    other = client.post("/api/v1/search", content=b"{}", headers={"content-type": "text/plain"})
    assert other.status_code == 415
    kept = client.get("/healthz", headers={"x-request-id": "abc-1"})
    assert kept.headers["x-request-id"] == "abc-1" and kept.headers["x-content-type-options"] == "nosniff"
    assert client.get("/healthz", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"
    assert client.get("/api/v1/nothing").status_code == 404


def test_a_fault_of_ours_has_the_form_of_its_door_and_every_header(
    serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(metrics_open=True)

    def broken(*_: object) -> None:
        raise RuntimeError("secret in /home/ann/notes")

    monkeypatch.setattr(client.app.state.service.library, "index", broken)  # type: ignore[attr-defined]
    asked = {"knowledge_id": "handbook", "query": "x", "metadata_condition": None}
    document = client.get("/api/v1/collections/handbook")
    dify = client.post("/retrieval", json=asked)
    page = client.get("/docs?collection=handbook")
    assert [answer.status_code for answer in (document, dify, page)] == [500] * 3
    assert document.json()["error"]["code"] == "internal" and dify.json()["error_code"] == 1005
    assert "text/html" in page.headers["content-type"]
    for answer in (document, dify, page):
        assert answer.headers["x-request-id"] and answer.headers["x-content-type-options"] == "nosniff"
        assert "secret" not in answer.text and "/home" not in answer.text
    counted = [line for line in client.get("/metrics").text.splitlines() if line.startswith("ragwright_requests_total")]
    assert sum('code="500"' in line and 'status="error"' in line for line in counted) == 3


def test_a_refusal_is_counted_and_says_when_to_come_again(
    serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(metrics_open=True)

    def full(deadline: float | None = None) -> None:
        raise Problem("busy", "the server is busy")

    monkeypatch.setattr(client.app.state.service.search_pool, "check_room", full)  # type: ignore[attr-defined]
    refused = client.post("/api/v1/search", json={"question": "Is it full?", "collection": "handbook"})
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
    client.post("/api/v1/search", content=b"x" * 1_100_000, headers={"content-type": "application/json"})
    page = client.get("/metrics").text
    for reason in ("queue_full", "too_large"):
        assert f'ragwright_rejected_total{{reason="{reason}"}} 1.0' in page


def test_a_browser_of_a_named_origin_may_ask_for_leave_without_a_key(serve: Callable[..., TestClient]) -> None:
    client = serve(KEYS, origins=("https://chat.example",))
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    for origin, status in (("https://chat.example", 200), ("https://evil.example", 400)):
        leave = client.options("/v1/chat/completions", headers=asks | {"origin": origin})
        assert leave.status_code == status
    refused = client.get("/v1/models", headers={"origin": "https://chat.example"})
    assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == "https://chat.example"
    with pytest.raises(SettingsError, match="origins"):
        serve({"two": (("read",), ("*",))}, origins=("*",))


def test_keys_are_kept_as_hashes_for_their_owner_alone(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys.toml")
    text = ring.new("chat", scopes=("ask",), collections=("a", "b"))
    assert text not in (tmp_path / "keys.toml").read_text()
    assert (tmp_path / "keys.toml").stat().st_mode & 0o777 == 0o600
    again = KeyRing(tmp_path / "keys.toml")
    key = again.find(text)
    assert key is not None and key.may("ask") and not key.may("read") and key.sees("b") and not key.sees("c")
    assert again.find(text + "x") is None
    with pytest.raises(SettingsError, match="exists"):
        again.new("chat")
    with pytest.raises(SettingsError, match="unknown scope 'fly'"):
        again.new("other", scopes=("fly",))
    again.remove("chat")
    assert KeyRing(tmp_path / "keys.toml").find(text) is None


def test_a_bind_to_the_world_needs_a_key(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys.toml")
    settings = settings_at(tmp_path, host="0.0.0.0")
    with pytest.raises(SettingsError, match="rag key new"):
        check_bind(settings, ring)
    ring.new("one")
    check_bind(settings, ring)
    check_bind(settings_at(tmp_path), KeyRing(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("header", "key"),
    [("Bearer a", "a"), ("bearer   a", "a"), ("Bearer Bearer a", "a"), ("Basic a", None), ("a", None), ("", None)],
)
def test_forms_of_the_header(header: str, key: str | None) -> None:
    assert bearer(header) == key


def test_names_on_the_wire_hold_no_path() -> None:
    assert display_name("/home/ann/docs/a.md") == "a.md"
    assert display_name("/home/ann/x.zip!/in/b.md") == "x.zip!/in/b.md"
    assert display_name("docs/a.md") == "docs/a.md"
    assert display_name(r"C:\Users\ann\a.md") == "a.md"
    assert display_name("https://example.org/a") == "https://example.org/a"
    assert len(document_id("/x")) == 16
    assert without_paths("cannot read '/home/ann/docs/a.md'; look") == "cannot read 'a.md'; look"
    assert "secret" not in str(problem_of(RuntimeError("secret")))


def test_names_of_uploads_are_made_harmless() -> None:
    assert clean_name("../../etc/passwd.txt") == "passwd.txt"
    assert clean_name("..\\..\\x.md") == "x.md"
    assert clean_name(".hidden.md") == "hidden.md"
    assert clean_name("a\u202eb\n.md") == "ab.md"
    assert len(clean_name("é" * 300 + ".md").encode()) <= 200 and clean_name("é" * 300 + ".md").endswith(".md")
    for name in ("", "...", "CON.txt", "/", "nul"):
        with pytest.raises(Problem):
            clean_name(name)


def test_the_command_line_knows_a_running_server_by_its_file(tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "store")
    assert read_address(settings.store) is None
    with announced(settings, "http://127.0.0.1:1", "secret"):
        path = address_path(settings.store)
        assert path.stat().st_mode & 0o777 == 0o600
        address = read_address(settings.store)
        assert address is not None and address.token == "secret"
        assert difference(address, settings) is None
        assert difference(address, settings.model_copy(update={"collection": "other"})) is None
        window = settings.retrieval.model_copy(update={"window": 9})
        assert difference(address, settings.model_copy(update={"retrieval": window})) is None
        weight = settings.retrieval.model_copy(update={"dense_weight": 0.1})
        assert difference(address, settings.model_copy(update={"retrieval": weight})) == "retrieval.dense_weight"
    assert read_address(settings.store) is None and not path.exists()


def test_a_second_server_of_a_store_names_the_first_and_not_its_port(tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "store")
    with closing(bind("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = settings.model_copy(update={"serve": settings.serve.model_copy(update={"port": port})})
        with pytest.raises(SettingsError, match="cannot listen on"):
            run_server(second)
        with announced(settings, f"http://127.0.0.1:{port}", "secret"):
            file = address_path(settings.store)
            row = json.loads(file.read_text(encoding="utf-8"))
            file.write_text(json.dumps(row | {"pid": os.getppid()}), encoding="utf-8")  # of another process
            with pytest.raises(StoreError, match=f"already running at http://127.0.0.1:{port}"):
                run_server(second)
