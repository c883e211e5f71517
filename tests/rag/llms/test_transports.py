"""The clients of language models: a header that trickles in ends, and proxies stand before other machines only."""

from __future__ import annotations

import asyncio
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


def test_a_proxy_of_the_environment_stands_before_others_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "inside.example")
    monkeypatch.setenv("http_proxy", "127.0.0.1:9")
    for url, proxied in (("http://far.example", True), ("http://inside.example", False), ("http://localhost:1", False)):
        assert (transports._proxy(url) == "http://127.0.0.1:9") is proxied
