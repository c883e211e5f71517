"""The clients of language models: a header that trickles in ends, and proxies stand before other machines only."""

from __future__ import annotations

import asyncio
import socket
import time

import httpx
import pytest

from indexes import http
from rag.llms import transports
from rag.llms.transports import async_stream_options, stream_options
from tests.indexes.test_http_limits import raw_server, trickle


def test_a_stream_whose_header_trickles_in_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TOTAL", 0.1)

    async def ask_once(url: str) -> None:
        async with httpx.AsyncClient(**async_stream_options(url, 5)) as client:
            await client.get(url)

    with raw_server(trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a", 0.05)) as url:
        started = time.monotonic()
        with (
            httpx.Client(**stream_options(url, 5)) as client,
            pytest.raises(httpx.ReadTimeout, match="did not begin in time"),
        ):
            client.get(url)
        with pytest.raises(httpx.ReadTimeout, match="did not begin in time"):
            asyncio.run(ask_once(url))
        assert time.monotonic() - started < 10


def test_a_server_that_closes_a_used_connection_is_asked_over_a_new_one() -> None:
    def once(connection: socket.socket) -> None:  # the answer promises that the connection stays open
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nAt 6.")
        connection.recv(65536)  # a second request on this connection gets no answer

    async def ask_twice(url: str) -> list[str]:
        async with httpx.AsyncClient(**async_stream_options(url, 5)) as client:
            return [(await client.get(url)).text for _ in range(2)]

    with raw_server(once) as url:
        with httpx.Client(**stream_options(url, 5)) as client:
            assert [client.get(url).text for _ in range(2)] == ["At 6.", "At 6."]
        assert asyncio.run(ask_twice(url)) == ["At 6.", "At 6."]


def test_a_proxy_of_the_environment_stands_before_others_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "inside.example")
    monkeypatch.setenv("http_proxy", "127.0.0.1:9")
    for url, proxied in (("http://far.example", True), ("http://inside.example", False), ("http://localhost:1", False)):
        assert (transports._proxy(url) == "http://127.0.0.1:9") is proxied
