"""Gate: the ASGI layer before every route, for paths, host, size, key and request id."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.serve.errors import Door, Problem, door_of, problem_of
from rag.serve.keys import AUTHORIZATION, COOKIE, OPEN, OWNER, AccessKey, KeyRing, bearer
from rag.serve.telemetry.spans import continued

log = logging.getLogger("ragwright.serve")
JSON_BYTES = 1_000_000
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
OPEN_PATHS = ("/healthz", "/readyz", "/static/", "/login")


class Gate:
    """Check a request before any route sees it, and put the key into ``scope["state"]["key"]``.

    >>> from pathlib import Path
    >>> from starlette.responses import PlainTextResponse
    >>> from starlette.testclient import TestClient
    >>> gate = Gate(PlainTextResponse("ok"), keys=KeyRing(Path("no-keys.toml")), loopback=True)
    >>> TestClient(gate, base_url="http://127.0.0.1").get("/").text
    'ok'
    >>> TestClient(gate, base_url="http://other.example").get("/").status_code  # its Host header names another machine
    421

    Args:
        app: the application behind it.
        keys: the configured keys; without keys the server is open to this machine.
        loopback: whether the server is bound to this machine only: other Host headers are refused (DNS rebinding).
        hosts: further accepted Host names.
        owner_token: secret of the account that started the server.
        upload_bytes: maximum size of an upload.
        metrics_open: whether /metrics needs no key.
        on_reject: called with each refusal.
        on_done: called with door, state, HTTP status and seconds after each response.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: KeyRing,
        loopback: bool,
        hosts: tuple[str, ...] = (),
        owner_token: str = "",
        upload_bytes: int = 64_000_000,
        metrics_open: bool = False,
        on_reject: Callable[[Problem], None] | None = None,
        on_done: Callable[[Door, dict[str, Any], int, float], None] | None = None,
    ) -> None:
        self.app, self.keys, self.loopback = app, keys, loopback
        self.hosts = LOOPBACK | {host.lower() for host in hosts}
        self.owner_token, self.upload_bytes = owner_token, upload_bytes
        self.metrics_open = metrics_open
        self._on_reject, self._on_done = on_reject, on_done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = re.sub("^/{2,}", "/", scope["path"])
        if len(path) > 1 and path.endswith("/"):
            path = path.rstrip("/") or "/"
        scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "replace")}
        door = door_of(path)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state.update(request_id=request_id, door=door, headers=headers)
        sender = _Sender(send, request_id, door, path)
        try:
            self._check_host(headers)
            state["key"] = self._key(path, headers, door)
            AUTHORIZATION.set(headers.get("authorization"))
            limited = _LimitedBody(receive, self._limit(path, headers))
        except Problem as problem:
            self._rejected(problem)
            await _answer_problem(problem, door, sender, scope)
            return
        started = time.monotonic()
        try:
            with continued(headers):
                await self.app(scope, limited, sender)
        except Exception as error:
            if sender.started:
                raise
            fault = problem_of(error)
            if fault.code == "internal":
                log.exception("request %s failed", request_id)
            else:
                self._rejected(fault)
            await _answer_problem(fault, door, sender, scope)
        finally:
            if self._on_done is not None:
                self._on_done(door, state, sender.status, time.monotonic() - started)

    def _check_host(self, headers: dict[str, str]) -> None:
        if not self.loopback:
            return
        host = headers.get("host", "").lower()
        name = host if host.endswith("]") else host.rsplit(":", 1)[0] if ":" in host else host
        if name not in self.hosts:
            raise Problem(
                "wrong_host",
                "the Host header names another machine",
                "open the address that 'rag serve' printed, or add the name to serve.hosts",
            )

    def _key(self, path: str, headers: dict[str, str], door: Door) -> AccessKey | None:
        header = headers.get("authorization")
        text = bearer(header)
        if self.owner_token and text is not None and secrets.compare_digest(text, self.owner_token):
            return OWNER
        if len(self.keys) == 0:
            return OPEN
        if path.startswith(OPEN_PATHS) or (path == "/metrics" and self.metrics_open):
            return None
        if text is None and door == "page":
            text = _cookie(headers.get("cookie", ""))
            if text is None:
                return None  # the page itself asks for a key
        if text is None:
            raise Problem("no_key", "this server requires a key", "send it as 'Authorization: Bearer KEY'")
        key = self.keys.find(text)
        if key is None:
            if door == "page":
                return None
            raise Problem("bad_key", "unknown key", "make one with 'rag key new NAME'")
        return key

    def _limit(self, path: str, headers: dict[str, str]) -> int:
        upload = headers.get("content-type", "").startswith("multipart/form-data")
        limit = self.upload_bytes * 20 if upload else JSON_BYTES
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise Problem("too_large", f"the body has {int(length):,} bytes", f"at most {limit:,} are read")
        return limit

    def _rejected(self, problem: Problem) -> None:
        if self._on_reject is not None:
            self._on_reject(problem)


class _Sender:
    """Add the headers that every response has."""

    def __init__(self, send: Send, request_id: str, door: Door, path: str) -> None:
        self._send, self._request_id, self._door = send, request_id, door
        self._static = path.startswith("/static/")
        self.started = False
        self.status = 499  # the client left before anything was sent

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, int(message["status"])
            names = {name.lower() for name, _ in message["headers"]}
            extra = [(b"x-request-id", self._request_id.encode()), (b"x-content-type-options", b"nosniff")]
            if b"cache-control" not in names and not self._static:
                extra.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message["headers"], *extra]}
        await self._send(message)


class _LimitedBody:
    """Count the bytes of a body as it arrives, and stop reading at the limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit, self._seen = receive, limit, 0

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit:
                raise Problem("too_large", "the body is too large", f"at most {self._limit:,} bytes are read")
        return message


async def _answer_problem(problem: Problem, door: Door, send: Send, scope: Scope) -> None:
    """Send a refusal in the form of its door."""
    if door == "page":
        from rag.serve.pages.refusal import refusal_page

        body, kind = refusal_page(problem, scope).encode(), b"text/html; charset=utf-8"
    else:
        body, kind = json.dumps(problem.body(door), ensure_ascii=False).encode(), b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers(door).items()]
    await send({"type": "http.response.start", "status": problem.status(door), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _cookie(header: str) -> str | None:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None
