"""What else clients expect: Dify's odd bodies, openai's refusals, MCP's two modes; and uploads that are hostile."""

from __future__ import annotations

import asyncio
import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from openai import AuthenticationError, OpenAI, RateLimitError
from starlette.testclient import TestClient

from rag.serve.errors import Problem
from rag.serve.wire import document_id
from tests.rag.serve.test_api import finished, own  # noqa: F401 - a fixture

ASKED = {"knowledge_id": "handbook", "query": "How long is the notice?", "retrieval_setting": {"top_k": 100}}
OPERATORS: list[tuple[str, Any]] = [
    ("contains", "Hand"), ("not contains", "zzz"), ("start with", "Hand"), ("end with", "book"), ("is", "Handbook"),
    ("is not", "Garden"), ("=", "Handbook"), ("\u2260", "Garden"), ("in", ["Handbook"]), ("not in", "Garden, Mill"),
    ("not empty", None), ("empty", None), ("<", 9), (">", 9), ("\u2264", 9), ("\u2265", 9), ("before", 9),
    ("after", 9),
]  # fmt: skip


def records(client: TestClient, condition: Any, **more: Any) -> list[dict[str, Any]]:
    """As Dify sends it: ASCII, everything else escaped."""
    body = json.dumps(ASKED | {"metadata_condition": condition} | more, ensure_ascii=True)
    assert body.isascii()
    found = client.post("/retrieval", content=body.encode(), headers={"content-type": "application/json"})
    assert found.status_code == 200, found.text
    return found.json()["records"]  # type: ignore[no-any-return]


def test_difys_operators_alone_and_joined(serve: Callable[..., TestClient]) -> None:
    client = serve()
    for operator, value in OPERATORS:
        row = {"name": "title", "comparison_operator": operator, "value": value}
        never = {"name": "title", "comparison_operator": "is", "value": "nobody"}
        alone = records(client, {"conditions": [row]})
        both = records(client, {"logical_operator": "and", "conditions": [row, never]})
        either = records(client, {"logical_operator": "or", "conditions": [row, never]})
        assert both == [] and either == alone, operator
        if operator in ("contains", "not contains", "start with", "end with", "is", "is not", "=", "\u2260", "in"):
            assert "Handbook" in {record["title"] for record in alone}, operator
        for record in alone:
            assert isinstance(record["metadata"], dict) and 0 <= record["score"] <= 1


def test_difys_older_bodies(serve: Callable[..., TestClient]) -> None:
    client = serve()
    names = {"name": ["nothing", "title"], "comparison_operator": "is", "value": "Handbook"}
    assert {record["title"] for record in records(client, {"conditions": [names]})} == {"Handbook"}
    everything = records(client, None)
    assert records(client, {"conditions": [{"name": "title", "comparison_operator": "is"}]}) == everything  # no value
    assert 1 <= len(everything) < 100  # top_k beyond the collection
    template = {"name": "year", "comparison_operator": "is", "value": "{{#start.year#}}"}
    body = ASKED | {"metadata_condition": {"conditions": [template]}}
    refused = client.post("/retrieval", json=body)
    assert refused.status_code == 400 and "start.year" in refused.json()["error_msg"]


def openai_of(client: TestClient, key: str) -> OpenAI:
    return OpenAI(base_url="http://127.0.0.1:8321/v1", api_key=key, http_client=client, max_retries=0)


def test_the_openai_client_sees_who_is_busy_and_which_key_is_wrong(
    serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve({"chat": (("read", "ask"), ("*",))})
    question: Any = [{"role": "user", "content": "Who approves business class?"}]
    with pytest.raises(AuthenticationError) as wrong:
        openai_of(client, "rw-no").chat.completions.create(model="handbook", messages=question)
    assert wrong.value.code == "invalid_api_key"

    def full(deadline: float | None = None) -> None:
        raise Problem("busy", "the server is busy", "try again", retry_after=7)

    service = client.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setattr(service.search_pool, "check_room", full)
    for stream in (False, True):
        with pytest.raises(RateLimitError) as busy:
            openai_of(client, client.keys["chat"]).chat.completions.create(  # type: ignore[attr-defined]
                model="handbook", messages=question, stream=stream
            )
        assert busy.value.response.headers["retry-after"] == "7" and busy.value.code == "overloaded"


def test_one_stream_has_one_id_one_end_and_a_source_a_passage(serve: Callable[..., TestClient]) -> None:
    client = serve()
    history: list[Any] = []
    for number in range(5):
        history += [
            {"role": "user", "content": f"Is flight {number} allowed?"},
            {"role": "assistant", "content": "Yes."},
        ]
    asked = [*history, {"role": "user", "content": "Who approves business class?"}]
    stream = openai_of(client, "any").chat.completions.create(
        model="handbook", messages=asked, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert len([c for c in chunks for choice in c.choices if choice.finish_reason]) == 1
    assert [chunk.usage is not None for chunk in chunks if not chunk.choices] == [True]
    sources = [(c.model_extra or {})["event"]["data"] for c in chunks if "event" in (c.model_extra or {})]
    assert [row["metadata"][0]["number"] for row in sources] == list(range(1, len(sources) + 1))
    assert len({row["source"]["id"] for row in sources}) == len(sources) > 0


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_mcp_over_http_in_both_modes(serve: Callable[..., TestClient], mode: Any) -> None:
    pytest.importorskip("mcp")
    import httpx
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    app: Any = serve().app

    async def main() -> str:
        # The sessions of a server begin with its lifespan, on the loop that serves it.
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8321") as http:
            wire = streamable_http_client("http://127.0.0.1:8321/mcp", http_client=http)
            async with Client(wire, mode=mode) as tools:
                return str((await tools.call_tool("list_collections", {})).content[0].text)

    assert "handbook" in asyncio.run(main())


def test_the_apis_are_described(serve: Callable[..., TestClient]) -> None:
    """Every route of the JSON API with what it does, and the fields of every body."""
    described = serve().get("/openapi.json").json()["paths"]
    base = "/api/v1/collections/{collection}"
    document = f"{base}/documents/{{document}}"
    reading = ("/api/v1/collections", base, f"{base}/documents", document, f"{document}/sentences")
    looking = (f"{base}/sentences/{{sentence}}/window", "/api/v1/jobs", "/api/v1/jobs/{job}", "/v1/models")
    asking = ("/api/v1/search", "/api/v1/ask", "/retrieval", "/v1/chat/completions", "/v1/embeddings", "/v1/rerank")
    wanted = {
        "get": (*reading, *looking),
        "post": (*asking, f"{base}/documents"),
        "delete": ("/api/v1/jobs/{job}", document),
    }
    for method, paths in wanted.items():
        for path in paths:
            assert described[path][method]["description"], path
            if method == "post":
                (body,) = described[path]["post"]["requestBody"]["content"].values()
                assert set(body["schema"]["required"]) <= set(body["schema"]["properties"]), path


def packed(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def test_hostile_uploads_stay_in_their_place(own: TestClient) -> None:  # noqa: F811
    """A zip bomb, a member that climbs out, and file names that do: read, refused with a reason, or cut to a name."""
    store = own.app.state.settings.store.path  # type: ignore[attr-defined]
    bomb = packed({"flat.txt": b"0" * (40 << 20), "words.txt": b"The samovar is brass."})
    climber = packed({"../../../climbed.txt": b"The ladder is long."})
    files = [
        ("files", ("bomb.zip", bomb)),
        ("files", ("climber.zip", climber)),
        ("files", ("..\\..\\..\\windows\\escape.md", b"# E\n\nThe rope is short.\n")),
        ("files", ("/etc/cron.d/..%2f../job.txt", b"The clock is slow.\n")),
    ]
    before = {path for path in store.parent.rglob("*") if store not in path.parents}
    sent = own.post("/api/v1/collections/notes/documents", files=files)
    assert sent.status_code == 202, sent.text
    done = finished(own, sent.json()["job"])
    assert done["state"] == "done", done
    after = {path for path in store.parent.rglob("*") if store not in path.parents}
    assert after == before
    assert {path.name for path in (store / "uploads").rglob("*") if path.is_file()} == {
        "bomb.zip", "climber.zip", "escape.md", "job.txt",
    }  # fmt: skip
    assert "zip bomb" in json.dumps(done["files"])
    for word in ("samovar", "ladder", "rope", "clock"):
        found = own.post("/api/v1/search", json={"question": f"the {word}", "collection": "notes"}).json()
        assert word in found["passages"][0]["text"]
    stored = own.app.state.service.library.index("notes").documents()  # type: ignore[attr-defined]
    assert {"upload:escape.md", "upload:job.txt"} <= {info.doc_id for info in stored}
    shown = json.dumps([done, own.get("/api/v1/collections/notes/documents").json()])
    assert str(store) not in shown and "/etc" not in shown


def test_an_upload_sent_again_is_a_new_version(own: TestClient) -> None:  # noqa: F811
    """Known by its name alone, it takes the place of the last one; deleted, its file goes too."""
    store = own.app.state.settings.store.path  # type: ignore[attr-defined]
    for colour in ("green", "yellow"):
        part = {"files": ("tea.md", f"# Tea\n\nThe teapot is {colour}.\n".encode())}
        job = own.post("/api/v1/collections/notes/documents", files=part).json()["job"]
        assert finished(own, job)["files"][0]["name"] == "tea.md"
    found = own.get("/api/v1/collections/notes/documents", params={"name": "tea"}).json()["documents"]
    assert [row["id"] for row in found] == [document_id("upload:tea.md")]
    passages = own.post("/api/v1/search", json={"question": "teapot", "collection": "notes"}).json()["passages"]
    assert "yellow" in passages[0]["text"] and "green" not in json.dumps(passages)
    assert (store / "uploads" / "notes" / found[0]["id"] / "tea.md").is_file()
    gone = own.delete(f"/api/v1/collections/notes/documents/{found[0]['id']}").json()["job"]
    assert finished(own, gone)["state"] == "done"
    assert not (store / "uploads" / "notes" / found[0]["id"]).exists()


def test_an_upload_is_counted_while_it_comes(own: TestClient) -> None:  # noqa: F811
    """A file beyond the limit, one file too many, and a body that is no form: refused, and nothing is left of them."""
    app: Any = own.app
    serve = app.state.settings.serve.model_copy(update={"upload_mb": 1})
    app.state.service.settings = app.state.settings.model_copy(update={"serve": serve})
    address, uploads = "/api/v1/collections/notes/documents", app.state.settings.store.path / "uploads"
    large = own.post(address, files=[("files", ("a.txt", b"small")), ("files", ("b.txt", b"x" * 1_200_000))])
    assert large.status_code == 413 and "b.txt" in large.json()["error"]["message"]
    many = own.post(address, files=[("files", (f"{n}.txt", b"x")) for n in range(21)])
    assert many.status_code == 413
    assert own.post(address, files=[("other", ("", b""))]).status_code == 400
    assert own.post(address, json={}).status_code == 415
    form = {"content-type": "multipart/form-data; boundary=x"}
    half = b'--x\r\ncontent-disposition: form-data; name="files"; filename="c.txt"\r\n\r\nwords'
    assert own.post(address, content=half, headers=form).status_code == 400
    assert [path for path in uploads.rglob("*") if path.is_file()] == []


def test_a_search_while_an_upload_is_read_in(own: TestClient) -> None:  # noqa: F811
    text = "\n\n".join(f"Rule {n} says that boat {n * 7} stays in harbour {n * 3}." for n in range(40))
    sent = own.post("/api/v1/collections/notes/documents", files=[("files", ("rules.txt", text.encode()))])
    job, waits = sent.json()["job"], []
    while own.get(f"/api/v1/jobs/{job}").json()["state"] in ("waiting", "running"):
        started = time.monotonic()
        found = own.post("/api/v1/search", json={"question": f"kettle {len(waits)}", "collection": "notes"})
        waits.append(time.monotonic() - started)
        assert found.status_code == 200
        seen = own.get("/api/v1/collections/notes").json()["sentences"]
        assert seen in (1, 41)  # a document is there as a whole or not at all
    assert waits and finished(own, job)["state"] == "done"
