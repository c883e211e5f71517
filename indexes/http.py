"""One request to a server: without proxy on this machine, with limits of time and size, and without exceptions."""

from __future__ import annotations

import contextvars
import json
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeVar, cast

import httpx

from indexes.addresses import is_loopback
from indexes.display import without_key

T = TypeVar("T")

BUSY = (429, 502, 503, 504)
TOTAL = 3.0  # time limit for a whole answer, in time-outs of one read
STREAM_TOTAL = 20.0  # the same for a streamed answer
ANSWER_BYTES = 64 << 20  # a longer answer is an error


def client_options(base_url: str, timeout: float, *, connect: float = 10.0) -> dict[str, Any]:
    """Return the options of all httpx clients.

    Connecting may take at most ``connect`` of the ``timeout`` seconds; HTTP_PROXY and the like are honoured except for
    loopback hosts; redirects are not followed, as what is sent may be private.

    >>> options = client_options("http://127.0.0.1:11434", 120.0)
    >>> options["trust_env"], options["timeout"].connect, options["timeout"].read
    (False, 10.0, 120.0)
    """
    return {
        "follow_redirects": False,
        "timeout": httpx.Timeout(timeout, connect=min(timeout, connect)),
        "trust_env": not is_loopback(base_url),
    }


def http_client(base_url: str, timeout: float, api_key: str | None = None, **options: Any) -> httpx.Client:
    """Create a client for one server, with ``client_options``.

    >>> client = http_client("https://models.example/v1", 60.0, "k3y")
    >>> client.headers["Authorization"], client.follow_redirects
    ('Bearer k3y', False)

    Args:
        base_url: prefix of request paths.
        timeout: seconds for reading and writing.
        api_key: sent as ``Authorization: Bearer``; never logged.
        options: further options of ``httpx.Client``.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return httpx.Client(base_url=base_url, headers=headers, **{**client_options(base_url, timeout), **options})


class _LimitedStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The bytes of an answer, within limits of time and size."""

    def __init__(self, inner: Any, ends: float, most: int) -> None:
        self._inner, self._ends, self._left = inner, ends, most

    def _count(self, part: bytes) -> bytes:
        self._left -= len(part)
        if self._left < 0:
            raise httpx.ReadError(f"the answer is longer than {ANSWER_BYTES >> 20} MB")
        if time.monotonic() > self._ends:
            raise httpx.ReadTimeout("the answer did not end in time")
        return part

    def __iter__(self) -> Iterator[bytes]:
        for part in self._inner:
            yield self._count(part)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            yield self._count(part)

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()


def stream_limits(timeout: float) -> dict[str, Any]:
    """Return options for an ``httpx.Client`` with streamed answers, limited in time and size.

    >>> transport = httpx.MockTransport(lambda request: httpx.Response(200, text="It rains."))
    >>> client = httpx.Client(transport=transport, **stream_limits(30.0))
    >>> type(client.get("http://demo").stream).__name__
    '_LimitedStream'
    """
    ends = STREAM_TOTAL * timeout

    def limit(response: httpx.Response) -> None:
        response.stream = _LimitedStream(response.stream, time.monotonic() + ends, ANSWER_BYTES)

    return {"event_hooks": {"response": [limit]}}


def async_stream_limits(timeout: float) -> dict[str, Any]:
    """Return ``stream_limits`` for an ``httpx.AsyncClient``.

    >>> [hook.__name__ for hook in async_stream_limits(30.0)["event_hooks"]["response"]]
    ['limit_async']
    """
    limit = stream_limits(timeout)["event_hooks"]["response"][0]

    async def limit_async(response: httpx.Response) -> None:
        limit(response)

    return {"event_hooks": {"response": [limit_async]}}


@dataclass(frozen=True)
class HttpAnswer:
    """The answer of a server, or the reason why there is none.

    >>> HttpAnswer(status=404, text='{"error": "model not found"}').reason
    'model not found'

    Args:
        status: HTTP status; 0 without an answer.
        problem: kind of fault without an answer; "timeout": connected, but no answer in time.
        detail: the fault in words, without the address.
        retry_after: seconds that the server asks to wait.
        location: target of a redirect.
    """

    status: int = 0
    text: str = ""
    phrase: str = ""
    problem: Literal["", "refused", "unknown host", "timeout", "proxy", "tls", "bad address", "too long", "other"] = ""
    detail: str = ""
    retry_after: float | None = None
    location: str = ""

    def json(self) -> Any:
        """Return the body as JSON; None if it is not JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    def object(self) -> dict[str, Any]:
        """Return the body as a JSON object; {} if it is not one."""
        body = self.json()
        return body if isinstance(body, dict) else {}

    @property
    def reason(self) -> str:
        """The server's message: {"error": "..."} (Ollama), {"error": {"message": ...}}, {"message": ...} (OpenAI),
        {"detail": ...}, or plain text."""
        body = self.json()
        if body is None:
            return self.text.strip()[:200] or self.phrase
        for key in ("error", "message", "detail"):
            value = body.get(key) if isinstance(body, dict) else None
            if isinstance(value, dict):
                value = value.get("message", value)
            if value:
                return str(value)[:300]
        return str(body)[:200]


def ask(client: httpx.Client, method: str, path: str, *, body: Any = None) -> HttpAnswer:
    """Send a request, with ``body`` as JSON. Faults of the network or server are returned, not raised.

    It takes at most ``TOTAL`` times the client's read time-out, and the answer has at most ``ANSWER_BYTES``, since a
    server may send slowly or endlessly.

    >>> transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"path": request.url.path}))
    >>> answer = ask(http_client("http://demo/v1", 30.0, transport=transport), "GET", "/models")
    >>> answer.status, answer.json()
    (200, {'path': '/v1/models'})
    """
    read = client.timeout.read
    if read is None:
        return _ask(client, method, path, body, float("inf"))
    ends = time.monotonic() + TOTAL * read
    patience = TOTAL * read + (client.timeout.connect or 0.0) + 1.0
    try:
        return in_time(lambda: _ask(client, method, path, body, ends), patience)
    except httpx.ReadTimeout:
        return _too_slow(client)


def in_time(work: Callable[[], T], seconds: float) -> T:
    """Return the result of ``work``, run in a separate thread, since receiving a slow header cannot be interrupted.

    >>> in_time(lambda: "done", 5.0)
    'done'

    Raises:
        httpx.ReadTimeout: it takes longer than ``seconds``; the thread is abandoned.
    """
    answers: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(1)
    context = contextvars.copy_context()

    def run() -> None:
        try:
            answers.put((context.run(work), None))
        except BaseException as error:  # noqa: BLE001 - raised again below
            answers.put((None, error))

    threading.Thread(target=run, name="ragwright-ask", daemon=True).start()
    try:
        found, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise httpx.ReadTimeout("the answer did not begin in time") from None
    if error is not None:
        raise error
    return cast(T, found)


def _ask(client: httpx.Client, method: str, path: str, body: Any, ends: float) -> HttpAnswer:
    try:
        with client.stream(method, path, json=body) as response:
            got = bytearray()
            for part in response.iter_bytes():
                got += part
                if len(got) > ANSWER_BYTES:
                    return HttpAnswer(problem="too long", detail=f"the answer is longer than {ANSWER_BYTES >> 20} MB")
                if time.monotonic() > ends:
                    return _too_slow(client)
            key = client.headers.get("authorization", "").removeprefix("Bearer ")
            return HttpAnswer(
                response.status_code,
                without_key(got.decode(response.charset_encoding or "utf-8", "replace"), key),
                response.reason_phrase,
                retry_after=seconds_of(response.headers.get("retry-after", "")),
                location=response.headers.get("location", "") if response.is_redirect else "",
            )
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, LookupError) as error:
        return unanswered(error, client.timeout)


def _too_slow(client: httpx.Client) -> HttpAnswer:
    return HttpAnswer(problem="timeout", detail=f"no whole answer within {TOTAL * (client.timeout.read or 0.0):g} s")


def seconds_of(retry_after: str) -> float | None:
    """Return the seconds in a Retry-After header, a number or a date; None if it is invalid.

    >>> seconds_of("120"), seconds_of("soon")
    (120.0, None)
    """
    if retry_after.strip().isdecimal():
        return float(retry_after)
    with suppress(ValueError, TypeError, OverflowError):
        when = parsedate_to_datetime(retry_after)
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    return None


def ask_once(
    base_url: str, path: str, *, timeout: float, api_key: str | None = None, body: Any = None, **options: Any
) -> HttpAnswer:
    """Send one request, GET or POST with ``body``, with a new client; as ``ask``, an invalid address included.

    >>> transport = httpx.MockTransport(lambda request: httpx.Response(404, json={"error": request.method}))
    >>> answer = ask_once("http://demo", "/models", timeout=30.0, body={}, transport=transport)
    >>> answer.status, answer.json()
    (404, {'error': 'POST'})
    >>> ask_once("http://demo:port", "/models", timeout=30.0).problem
    'bad address'

    Args:
        options: further options of ``httpx.Client``.
    """
    try:
        with http_client(base_url.rstrip("/"), timeout, api_key, **options) as client:
            return ask(client, "GET" if body is None else "POST", path, body=body)
    except httpx.InvalidURL as error:
        return HttpAnswer(problem="bad address", detail=str(error))


def unanswered(error: Exception, timeout: httpx.Timeout) -> HttpAnswer:
    """Describe an error raised by httpx as an answer.

    >>> unanswered(httpx.ConnectError("[Errno 111] Connection refused"), httpx.Timeout(30.0)).detail
    'the connection was refused: nothing listens there'
    >>> unanswered(httpx.ReadTimeout("timed out"), httpx.Timeout(30.0)).detail
    'no answer within 30 s'
    """
    text = str(error)
    if isinstance(error, httpx.ProxyError):
        return HttpAnswer(problem="proxy", detail=text)
    if isinstance(error, httpx.ConnectTimeout):
        return HttpAnswer(problem="other", detail=f"no answer within {timeout.connect:g} s of connecting")
    if isinstance(error, httpx.TimeoutException):
        return HttpAnswer(problem="timeout", detail=f"no answer within {timeout.read:g} s")
    if isinstance(error, httpx.ConnectError):
        if "refused" in text:
            return HttpAnswer(problem="refused", detail="the connection was refused: nothing listens there")
        if any(sign in text for sign in ("Name or service", "nodename", "Temporary failure", "getaddrinfo", "No addr")):
            return HttpAnswer(problem="unknown host", detail="the host name is not known")
        if "CERTIFICATE" in text or "SSL" in text:
            return HttpAnswer(problem="tls", detail=text)
        return HttpAnswer(problem="other", detail=text or "no connection")
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return HttpAnswer(problem="bad address", detail=text)
    return HttpAnswer(problem="other", detail=f"{type(error).__name__}: {text}")
