"""Servers that trickle, never end, send us elsewhere or fail for a moment."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from indexes import http
from indexes.encoders.remote.ollama import OllamaModel
from indexes.errors import EncoderError, RerankerError, StoreUnreachableError
from indexes.http import ask, async_stream_limits, client_options, http_client, stream_limits
from indexes.json_server import JsonServer
from indexes.settings.sections import EncoderSettings, StoreSettings
from indexes.store.client import open_engine
from tests.indexes.encoders.encoder_fixtures import fake_server

__all__ = ["fake_server"]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@contextmanager
def raw_server(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request and then says what ``speak`` does."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    one, _ = listening.accept()
                except OSError:
                    return
                with one:
                    one.recv(65536)
                    try:
                        speak(one)
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def trickle(first: bytes, part: bytes, pause: float) -> Callable[[socket.socket], None]:
    def speak(one: socket.socket) -> None:
        one.sendall(first)
        while True:
            one.sendall(part)
            time.sleep(pause)

    return speak


@pytest.mark.parametrize("first", [HEAD, b"HTTP/1.1 200 OK\r\nX-Slow: "], ids=["body", "header"])
def test_an_answer_that_trickles_in_ends(first: bytes) -> None:
    with raw_server(trickle(first, b" ", 0.05)) as url:
        started = time.monotonic()
        answer = ask(http_client(url, 0.2), "GET", "/")
        assert answer.problem == "timeout" and "no whole answer within 0.6 s" in answer.detail
        assert time.monotonic() - started < 5


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES", 1 << 20)
    with raw_server(trickle(HEAD, b"x" * 65536, 0.0)) as url:
        server = JsonServer(
            http_client(url, 5), "the server", section="encoder", error=EncoderError, start="", key_env="K"
        )
        with pytest.raises(EncoderError, match="the answer is longer than 1 MB"):
            server.get("/")


@pytest.mark.parametrize("part", [b"data: {}\n\n" * 4096, b"x" * 65536], ids=["events", "one line"])
def test_a_stream_without_end_is_cut(monkeypatch: pytest.MonkeyPatch, part: bytes) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES", 1 << 18)
    options = client_options("http://127.0.0.1", 5)

    async def read(url: str) -> None:
        async with (
            httpx.AsyncClient(**options, **async_stream_limits(5)) as client,
            client.stream("GET", url) as answer,
        ):
            async for _ in answer.aiter_bytes():
                pass

    with raw_server(trickle(HEAD, part, 0.0)) as url:
        with (
            httpx.Client(**options, **stream_limits(5)) as client,
            pytest.raises(httpx.ReadError, match="is longer than"),
            client.stream("GET", url) as answer,
        ):
            for _ in answer.iter_lines():
                pass
        with pytest.raises(httpx.ReadError, match="is longer than"):
            asyncio.run(read(url))
    monkeypatch.setattr(http, "STREAM_TOTAL", 0.1)
    with (
        raw_server(trickle(HEAD, b"x", 0.05)) as url,
        httpx.Client(**options, **stream_limits(5)) as client,
        pytest.raises(httpx.ReadTimeout, match="did not end in time"),
    ):
        client.get(url)


def test_a_store_that_trickles_is_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "STREAM_TOTAL", 0.2)
    with (
        raw_server(trickle(HEAD, b" ", 0.05)) as url,
        pytest.raises(StoreUnreachableError, match="did not end in time"),
    ):
        open_engine(StoreSettings(url=url, timeout=1))
    monkeypatch.setattr(http, "ANSWER_BYTES", 1 << 20)
    with (
        raw_server(trickle(HEAD, b"x" * 65536, 0.0)) as url,
        pytest.raises(StoreUnreachableError, match="longer than 1 MB"),
    ):
        open_engine(StoreSettings(url=url, timeout=5))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_texts_are_not_sent_on_to_another_host(fake_server: Callable[..., Any], status: int) -> None:
    other = fake_server(lambda *request: (200, {"embeddings": [[1.0]]}))

    def speak(one: socket.socket) -> None:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {other.url}/?api_key=hidden\r\nContent-Length: 0\r\n\r\n"
        one.sendall(head.encode())

    with raw_server(speak) as url:
        model = OllamaModel(EncoderSettings(provider="ollama", model="m", base_url=url, timeout=5), {})
        with pytest.raises(EncoderError, match=rf"answered {status} and sends us on to .*not followed") as told:
            model.embed(["a private text"], query=False)
    assert "hidden" not in str(told.value) and other.requests == []
    assert client_options("http://h", 1)["follow_redirects"] is False


def test_a_store_and_a_reranker_are_not_followed_elsewhere_and_echo_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from rag.rerankers.api import connect_reranker
    from rag.settings import RerankSettings

    monkeypatch.setenv("MINE", "tulip-harbour")
    reached: list[int] = []
    with raw_server(lambda one: reached.append(1)) as other:

        def speak(one: socket.socket) -> None:
            body = '{"error": "sent tulip-harbour"}'
            head = f"HTTP/1.1 307 Moved\r\nLocation: {other}/x\r\nContent-Length: {len(body)}\r\n\r\n"
            one.sendall((head + body).encode())

        with raw_server(speak) as url:
            with pytest.raises(StoreUnreachableError, match="answered with status 307") as refusal:
                open_engine(StoreSettings(url=url, timeout=2, api_key_env="MINE"))
            assert "tulip" not in str(refusal.value)
            reranker = connect_reranker(RerankSettings(provider="api", base_url=url, timeout=2, api_key_env="MINE"))
            with pytest.raises(RerankerError, match=r"answered 307 and sends us on to .*not followed") as refused:
                reranker.score("a private question", ["a private text"])
            assert "tulip" not in str(refused.value)
    assert reached == []


def persistent(url: str, waited: list[float], **options: Any) -> JsonServer:
    given = {"section": "encoder", "error": EncoderError, "start": "start it", "key_env": "K", "pause": waited.append}
    return JsonServer(http_client(url, 2), "the server", **{**given, "persistent": True, **options})


def test_embedding_requests_are_tried_again(fake_server: Callable[..., Any]) -> None:
    waited: list[float] = []
    answers = [(500, {"error": "runner crashed"}), (500, {}), (200, [1])]
    server = fake_server(lambda *request: answers.pop(0))
    assert persistent(server.url, waited).get("/") == [1] and waited == [0.5, 1.0]
    waited.clear()
    gone = persistent("http://127.0.0.1:9", waited)
    with pytest.raises(EncoderError, match="cannot be reached"):
        gone.get("/")
    assert waited == [0.5], "one that never answered is asked once more only"
    cut = iter([False, True, True, False])

    def speak(one: socket.socket) -> None:
        if not next(cut):
            one.sendall(HEAD + b"[2]")

    waited.clear()
    with raw_server(speak) as url:
        asked = persistent(url, waited)
        assert [asked.get("/"), asked.get("/")] == [[2], [2]]
    assert waited == [0.5, 1.0]


@pytest.mark.parametrize("date", [False, True])
def test_a_pause_that_a_server_asks_for_is_kept_or_shown(date: bool) -> None:
    def after(seconds: int) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True) if date else str(seconds)

    def speak(seconds: int) -> Callable[[socket.socket], None]:
        head = f"HTTP/1.1 429 Slow\r\nRetry-After: {after(seconds)}\r\nContent-Length: 0\r\n\r\n".encode()
        return lambda one: one.sendall(head)

    waited: list[float] = []
    with raw_server(speak(5)) as url, pytest.raises(EncoderError, match="busy after 1 retries"):
        persistent(url, waited, tries=2).get("/")
    assert waited and 0 < waited[0] <= 5
    waited.clear()
    asks = r"answered 429 .*, and asks for a pause of 7(200|19\d) s"
    with raw_server(speak(7200)) as url, pytest.raises(EncoderError, match=asks):
        persistent(url, waited).get("/")
    assert waited == []


@pytest.mark.parametrize("answer", [[], None, {"models": None}, {"models": "none"}, "text", 7])
def test_ollama_lists_and_nulls_are_explained(fake_server: Callable[..., Any], answer: Any) -> None:
    model = OllamaModel(
        EncoderSettings(provider="ollama", model="m", base_url=fake_server(lambda *r: (200, answer)).url, timeout=2), {}
    )
    model.server.pause = lambda seconds: None
    with pytest.raises(EncoderError, match=r"lists no models|sent null|sent no JSON"):
        _ = model.weights
    with pytest.raises(EncoderError, match=r"sent no vectors for 1 text|sent null|sent no JSON"):
        model.embed(["x"], query=False)


def test_a_null_vector_is_named(fake_server: Callable[..., Any]) -> None:
    url = fake_server(lambda *request: (200, {"embeddings": [[1.0, 2.0], None]})).url
    model = OllamaModel(EncoderSettings(provider="ollama", model="m", base_url=url, timeout=2), {})
    with pytest.raises(EncoderError, match="sent null in place of the vector of text 1"):
        model.embed(["x", "y"], query=False)
