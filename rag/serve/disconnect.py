"""A request without streaming is given up when its client leaves: nobody else would notice."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from rag.serve.metrics import Metrics

LOOK_EVERY = 0.25  # seconds


async def until_disconnected(
    request: Request, work: Coroutine[Any, Any, Response], metrics: Metrics, route: str
) -> Response:
    """The response of ``work``, which is cancelled when the client has gone; then an empty 499."""
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
