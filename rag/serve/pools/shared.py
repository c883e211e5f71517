"""SharedResults: identical concurrent requests are computed once, and results are kept briefly for retries."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
KEPT_SECONDS = 30.0
KEPT = 256


class SharedResults:
    """Share one computation among all that ask for the same thing.

    >>> async def twice():
    ...     shared, calls = SharedResults(), []
    ...     async def compute():
    ...         calls.append(1)
    ...         return 6
    ...     return await asyncio.gather(shared.get("q", compute), shared.get("q", compute)), len(calls)
    >>> asyncio.run(twice())
    ([6, 6], 1)

    Args:
        seconds: how long a result is kept for further requests; 0 keeps none.
        kept: maximum number of results kept.
    """

    def __init__(self, seconds: float = KEPT_SECONDS, kept: int = KEPT) -> None:
        self._seconds, self._limit = seconds, kept
        self._flying: dict[Hashable, asyncio.Task[Any]] = {}
        self._done: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    async def get(self, what: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``compute`` for ``what``; a caller who leaves does not stop it for the others."""
        now = time.monotonic()
        if (kept := self._done.get(what)) is not None:
            if now - kept[0] <= self._seconds:
                result: T = kept[1]
                return result
            del self._done[what]
        task = self._flying.get(what)
        if task is None:
            task = asyncio.ensure_future(compute())  # type: ignore[arg-type]
            self._flying[what] = task
            task.add_done_callback(lambda done: self._ended(what, done))
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Drop all results, because the collection has changed."""
        self._done.clear()

    def _ended(self, what: Hashable, task: asyncio.Task[Any]) -> None:
        self._flying.pop(what, None)
        if task.cancelled() or task.exception() is not None:
            return
        if self._seconds > 0:
            self._done[what] = (time.monotonic(), task.result())
            while len(self._done) > self._limit:
                self._done.popitem(last=False)
