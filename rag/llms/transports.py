"""HTTP clients for language models that bound when an answer begins, when it ends, and its size.

A read time-out alone bounds nothing: a server may send a byte now and then, even of a header, or without end.
"""

from __future__ import annotations

import asyncio
import urllib.request
from typing import Any

import httpx

from indexes import http
from indexes.addresses import is_loopback
from indexes.http import async_stream_limits, client_options, in_time, stream_limits

# No connection outlives its request. A server may close an idle one at the moment when the next request is sent, which
# would fail a reader's question; and a pooled one belongs to the event loop that opened it, so the next ``asyncio.run``
# would find it closed. Connecting takes nothing beside an answer.
ONE_REQUEST = httpx.Limits(max_keepalive_connections=0)


def stream_options(base_url: str, timeout: float) -> dict[str, Any]:
    """Return the arguments of an ``httpx.Client`` whose answers must begin, and whose pieces follow, in time.

    >>> stream_options("http://127.0.0.1:8000/v1", timeout=60)["timeout"]
    Timeout(connect=10.0, read=60, write=60, pool=60)
    """
    transport = _Transport(http.TOTAL * timeout, proxy=_proxy(base_url), limits=ONE_REQUEST)
    return {**client_options(base_url, timeout), **stream_limits(timeout), "transport": transport}


def async_stream_options(base_url: str, timeout: float) -> dict[str, Any]:
    """Return the arguments of an ``httpx.AsyncClient`` with the same limits.

    >>> async_stream_options("http://127.0.0.1:8000/v1", timeout=60)["timeout"]
    Timeout(connect=10.0, read=60, write=60, pool=60)
    """
    transport = _AsyncTransport(http.TOTAL * timeout, proxy=_proxy(base_url), limits=ONE_REQUEST)
    return {**client_options(base_url, timeout), **async_stream_limits(timeout), "transport": transport}


class _Transport(httpx.HTTPTransport):
    """A transport whose answers begin within ``begins`` seconds, however slowly their headers arrive."""

    def __init__(self, begins: float, **options: Any) -> None:
        super().__init__(**options)
        self._begins = begins

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        send = super().handle_request
        return in_time(lambda: send(request), self._begins)


class _AsyncTransport(httpx.AsyncHTTPTransport):
    """As ``_Transport``."""

    def __init__(self, begins: float, **options: Any) -> None:
        super().__init__(**options)
        self._begins = begins

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await asyncio.wait_for(super().handle_async_request(request), self._begins)
        except TimeoutError:
            raise httpx.ReadTimeout("the answer did not begin in time") from None


def _proxy(base_url: str) -> str | None:
    """Return the proxy of the environment or the system for an address; a client with a transport ignores them."""
    if is_loopback(base_url):
        return None
    url, known = httpx.URL(base_url), urllib.request.getproxies()
    proxy = known.get(url.scheme) or known.get("all")
    if not proxy or urllib.request.proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
