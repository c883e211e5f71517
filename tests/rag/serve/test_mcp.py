"""The MCP tools, in memory and over HTTP, with the official client."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

pytest.importorskip("mcp")

from mcp import Client

from rag.serve.errors import Problem
from rag.serve.mcp.local import LocalBackend
from rag.serve.mcp.server import build_mcp
from rag.serve.mcp.texts import LIMIT, collections_text, documents_text, search_text
from rag.serve.run import addresses
from rag.serve.stdio import StoreBackend
from tests.rag.serve.conftest import settings_at
from tests.rag.serve.test_api import own  # noqa: F401 - a fixture


def call(client: TestClient, name: str, **arguments: Any) -> Any:
    async def main() -> Any:
        server = build_mcp(LocalBackend(client.app), default_collection="handbook", write=True)  # type: ignore[arg-type]
        async with Client(server) as tools:
            return await tools.call_tool(name, arguments)

    return asyncio.run(main())


def test_no_name_looks_like_another_passage() -> None:
    odd = {"name": "a\n[2] b\u202e.txt", "heading": "h\x1b[31m", "score": 1.0, "sentence_id": "x", "text": "t\x1b[2J"}
    rows = {"documents": [{"name": "a\n- b", "id": "x", "sentences": 1}], "total": 1}
    collections = [{"name": "a\nb", "documents": 1, "sentences": 2, "model": "m\x9b"}]
    for text in (search_text({"passages": [odd | {"number": 1}]}), documents_text(rows), collections_text(collections)):
        assert all(character.isprintable() or character == "\n" for character in text)
        assert "\n[2]" not in text and "\n- b" not in text and "a\nb" not in text


def test_tools_say_what_they_are(serve: Callable[..., TestClient]) -> None:
    client = serve()

    async def main(write: bool) -> dict[str, Any]:
        server = build_mcp(LocalBackend(client.app), default_collection="handbook", write=write)  # type: ignore[arg-type]
        async with Client(server) as tools:
            return {tool.name: tool for tool in (await tools.list_tools()).tools}

    reading = asyncio.run(main(False))
    assert set(reading) == {"search", "ask", "read", "list_collections", "list_documents"}
    for tool in reading.values():
        assert tool.annotations.read_only_hint is True and tool.annotations.open_world_hint is False
        assert "anyOf" not in str(tool.input_schema)
    writing = asyncio.run(main(True))
    assert writing["delete_document"].annotations.destructive_hint is True
    assert writing["add_text"].annotations.destructive_hint is False


def test_search_read_and_ask(serve: Callable[..., TestClient]) -> None:
    client = serve()
    found = call(client, "search", query="How long is the notice?", top_k=2)
    text = found.content[0].text
    assert not found.is_error and text.startswith("[1] handbook.md · Handbook > Notice · score")
    identity = text.split("id ")[1].split()[0]
    assert "two weeks" in call(client, "read", id=identity).content[0].text
    answer = call(client, "ask", question="Who approves business class?").content[0].text
    assert "Status: extractive" in answer and "Sources:" in answer
    assert re.search(
        r"handbook: 2 documents, \d+ sentences in en, zh", call(client, "list_collections").content[0].text
    )
    assert re.search(r"请假\.md · id \w{16} · 2 sentences · 20\d\d-", call(client, "list_documents").content[0].text)


def test_the_server_says_what_it_holds(serve: Callable[..., TestClient]) -> None:
    client = serve()

    async def main() -> str:
        names = ["garden", "handbook"]
        server = build_mcp(LocalBackend(client.app), default_collection="handbook", collections=names)  # type: ignore[arg-type]
        return str(server.instructions)

    said = asyncio.run(main())
    assert "garden, handbook" in said and "Search before you answer" in said and "[n]" in said


def test_a_wrong_collection_is_an_error_with_its_remedy(serve: Callable[..., TestClient]) -> None:
    found = call(serve(), "search", query="x", collection="nowhere")
    assert found.is_error and "the collections are" in found.content[0].text


def test_stdio_over_a_store_says_what_failed_and_goes_on(tmp_path: Path) -> None:
    """Raised within the app's task groups, an error would come out as a group and end the process."""

    async def main() -> list[str]:
        backend = StoreBackend(settings_at(tmp_path / "store"))
        async with Client(build_mcp(backend, default_collection="nowhere", write=False)) as tools:
            found = [await tools.call_tool(name, {}) for name in ("list_documents", "list_collections")]
        return [one.content[0].text for one in found]

    failed, listed = asyncio.run(main())
    assert "there is no collection 'nowhere'" in failed and "no collection yet" in listed
    assert len({Problem("busy", "x"), Problem("busy", "x")}) == 2  # kept in sets by what logs tracebacks


def test_http_behind_the_servers_keys(serve: Callable[..., TestClient]) -> None:
    client = serve({"host": (("read", "ask"), ("handbook",))})
    first = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    accept = {"accept": "application/json, text/event-stream"}
    refused = client.post("/mcp", json=first, headers=accept)
    assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    key = {"authorization": f"Bearer {client.keys['host']}"}  # type: ignore[attr-defined]
    assert client.post("/mcp", json=first, headers=accept | key).json()["result"]["serverInfo"]["name"] == "ragwright"
    tool = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "list_collections", "arguments": {}},
    }
    found = client.post("/mcp", json=tool, headers=accept | key | {"mcp-protocol-version": "2025-11-25"})
    assert "handbook" in found.text and "garden" not in found.text
    assert client.post("/mcp", json=first, headers=accept | key | {"host": "evil.example"}).status_code == 421


def test_a_hidden_collection_is_the_same_error_as_a_missing_one(serve: Callable[..., TestClient]) -> None:
    client = serve({"host": (("read", "ask"), ("handbook",))})
    headers = {
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {client.keys['host']}",  # type: ignore[attr-defined]
        "mcp-protocol-version": "2025-11-25",
    }
    said = []
    for name in ("garden", "nowhere"):
        asked = {"name": "search", "arguments": {"query": "gate", "collection": name}}
        body = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": asked}
        found = client.post("/mcp", json=body, headers=headers).json()["result"]
        assert found["isError"] is True and "structuredContent" not in found
        said.append(found["content"][0]["text"].replace(name, "X"))
    assert said[0] == said[1] and "the collections are: handbook" in said[0]


def test_a_text_is_added_replaced_and_deleted(own: TestClient) -> None:  # noqa: F811
    for colour in ("green", "yellow"):
        added = call(own, "add_text", title="Tea", text=f"The teapot is {colour}.", collection="notes")
        assert not added.is_error, added
    found = call(own, "search", query="teapot", collection="notes").content[0].text
    assert "yellow" in found and "green" not in found
    listed = call(own, "list_documents", collection="notes", name_contains="tea").content[0].text
    (row,) = [line for line in listed.splitlines() if "id " in line]
    gone = call(own, "delete_document", id=row.split("id ")[1].split()[0], collection="notes")
    assert not gone.is_error
    assert "teapot" not in call(own, "search", query="teapot", collection="notes").content[0].text
    wrong = call(own, "delete_document", id="0" * 16, collection="notes")
    assert wrong.is_error and "no document" in wrong.content[0].text


def test_a_long_result_says_where_it_was_cut() -> None:
    passage = {"name": "a", "score": 1.0, "sentence_id": "x", "text": "word " * 3000}
    text = search_text({"passages": [passage | {"number": number} for number in range(1, 9)]})
    assert len(text) == LIMIT and text.endswith("'read']") and "cut here" in text


def test_the_description_that_steers_a_model_is_a_setting(serve: Callable[..., TestClient]) -> None:
    client = serve(mcp_search_description="Ask this before you cook.")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
    tools = {tool["name"]: tool for tool in client.post("/mcp", json=body, headers=headers).json()["result"]["tools"]}
    assert tools["search"]["description"] == "Ask this before you cook." and "delete_document" not in tools


def test_without_the_package_the_address_says_how_to_get_it(
    serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.serve.mcp.mount.find_spec", lambda name: None)
    client = serve()
    refused = client.post("/mcp", json={})
    assert refused.status_code == 404 and "ragwright[mcp]" in refused.json()["error"]["message"]
    assert "mcp" not in addresses("http://127.0.0.1:8321", mcp=client.app.state.mcp)  # type: ignore[attr-defined]
