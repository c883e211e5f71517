"""What every route needs of a request: its key, the service, its JSON body, and a sign that its client has gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from indexes.text.characters import valid_value
from rag.serve.errors import Problem
from rag.serve.keys import AccessKey
from rag.serve.service import Service
from rag.serve.telemetry.metrics import Metrics

LOOK_EVERY = 0.25  # seconds


def key_of(request: Request) -> AccessKey:
    """Return the key that the gate accepted.

    >>> from types import SimpleNamespace
    >>> from rag.serve.keys import OPEN
    >>> key_of(SimpleNamespace(state=SimpleNamespace(key=OPEN))).scopes
    ('read', 'ask', 'write')

    Raises:
        Problem: "no_key".
    """
    key: AccessKey | None = getattr(request.state, "key", None)
    if key is None:
        raise Problem("no_key", "this server requires a key", "enter it on the page, or send it as a Bearer token")
    return key


def service_of(request: Request) -> Service:
    """Return the application's service."""
    return request.app.state.service  # type: ignore[no-any-return]


def require(request: Request, scope: str) -> AccessKey:
    """Return the request's key if it has the scope.

    >>> from types import SimpleNamespace
    >>> from rag.serve.keys import OPEN
    >>> request = SimpleNamespace(state=SimpleNamespace(key=OPEN))
    >>> require(request, "ask").name
    'open'
    >>> require(request, "admin")
    Traceback (most recent call last):
        ...
    rag.serve.errors.Problem: this key lacks the permission 'admin'; make one with 'rag key new NAME --scope admin'

    Raises:
        Problem: "forbidden".
    """
    key = key_of(request)
    if not key.may(scope):
        raise Problem(
            "forbidden", f"this key lacks the permission {scope!r}", f"make one with 'rag key new NAME --scope {scope}'"
        )
    return key


async def json_body(request: Request, *, empty: str | None = None) -> dict[str, Any]:
    """Read the request's body as a JSON object.

    >>> async def receive():
    ...     return {"type": "http.request", "body": b'{"question": "When?"}'}
    >>> asyncio.run(json_body(Request({"type": "http", "headers": []}, receive)))
    {'question': 'When?'}

    Raises:
        Problem: it is not JSON, not an object, or has another content type.
    """
    raw = await request.body()
    if not raw.strip():
        raise Problem("bad_request", empty or "the body is empty", "send a JSON object")
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind not in ("application/json", "text/json", "") and not kind.endswith("+json"):
        raise Problem("wrong_type", f"the body is {kind}", "send application/json")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Problem("bad_request", f"the body is not JSON: {str(error)[:120]}") from None
    if not isinstance(body, dict):
        raise Problem("bad_request", "the body is not a JSON object", "send {...}")
    return valid_value(body)  # type: ignore[no-any-return]  # JSON may hold half characters, which an answer cannot


async def until_disconnected(
    request: Request, work: Coroutine[Any, Any, Response], metrics: Metrics, route: str
) -> Response:
    """Return the response of ``work``; cancel it and return an empty 499 if its client has gone.

    >>> async def work():
    ...     return Response("It opens at 6.")
    >>> asyncio.run(until_disconnected(None, work(), Metrics(), "chat")).body
    b'It opens at 6.'
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK_EVERY)
            if not task.done() and await request.is_disconnected():
                task.cancel()
                await asyncio.wait({task})
                metrics.cancelled.labels(route).inc()
                return Response(status_code=499)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
