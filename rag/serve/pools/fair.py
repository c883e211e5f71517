"""FairPool: a few workers, a bounded queue per caller, and callers served in turn.

Everything but the work itself happens on the event loop, so no locks are needed.
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from indexes.display import counted
from rag.serve.errors import Problem

T = TypeVar("T")
FIRST_GUESS = 0.05  # seconds that a piece of work is assumed to take before any was measured
MEMORY = 0.2  # weight of the newest measurement in the running means
DEVIATIONS = 2.0  # standard deviations added to the mean when a deadline is judged


@dataclass(slots=True)
class _Item:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    late_at: float
    awaited: bool
    queued_at: float = field(default_factory=time.monotonic)


class FairPool:
    """Run up to ``size`` pieces of work in parallel; at most ``limit`` wait, and callers take turns.

    >>> async def work():
    ...     return await FairPool("search", size=2, limit=8).run("anna", lambda: 6)
    >>> asyncio.run(work())
    6

    Args:
        name: used for threads, metrics and refusals.
        size: pieces of work in parallel.
        limit: waiting pieces of all callers.
        on_wait: called with name and the seconds that a piece waited, before it starts.
        guess: seconds that a piece is assumed to take before any was measured.
    """

    def __init__(
        self,
        name: str,
        size: int,
        limit: int,
        on_wait: Callable[[str, float], None] | None = None,
        *,
        guess: float = FIRST_GUESS,
    ) -> None:
        self.name, self.size, self.limit = name, size, limit
        self.running = 0
        self._queues: OrderedDict[str, deque[_Item]] = OrderedDict()
        # Parallel pieces share processor and locks: one takes as long as all of them would one after the other.
        self._share, self._deviation = guess, 0.0
        self._measured = False
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=f"ragwright-{name}")
        self._on_wait = on_wait

    @property
    def waiting(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def expected_wait(self) -> float:
        """Return the seconds until a piece that arrives now would start."""
        return (self.waiting + max(0, self.running - self.size + 1)) * self._share

    def check_room(self, deadline: float | None = None) -> None:
        """Refuse at once if the queue is full, or if the deadline (seconds from now) could not be met.

        Raises:
            Problem: "busy", with the seconds after which trying again makes sense.
        """
        beside = min(self.running + 1, self.size)
        ready = self.expected_wait() + beside * (self._share + DEVIATIONS * self._deviation)
        # If nothing runs, one is let in whatever was measured: the next measurement may be better.
        hopeless = deadline is not None and self.running > 0 and ready > deadline
        if self.waiting >= self.limit or hopeless:
            after = math.ceil((self.waiting + 1) * self._share)
            raise Problem(
                "busy",
                f"the server is busy: {counted(self.waiting, 'request', verb='are')} waiting for {self.name}",
                "try again a little later",
                retry_after=max(1, min(30, after)),
            )

    async def run(self, owner: str, work: Callable[[], T], *, deadline: float | None = None) -> T:
        """Wait for a turn, run ``work`` in a thread and return what it returned.

        Work of a caller that is cancelled while it waits is dropped; work that has begun runs to its end.

        Args:
            owner: whose turn it is (the key's name).
            deadline: seconds from now after which the work is no longer started.

        Raises:
            Problem: "busy" if the queue is full, "deadline" if the turn came too late.
        """
        return cast(T, await self._turn(owner, work, deadline, awaited=False))

    async def run_async(
        self, owner: str, work: Callable[[], Coroutine[Any, Any, T]], *, deadline: float | None = None
    ) -> T:
        """Run a coroutine function on the event loop; it is cancelled with its caller."""
        return cast(T, await self._turn(owner, work, deadline, awaited=True))

    async def _turn(self, owner: str, work: Callable[[], Any], deadline: float | None, *, awaited: bool) -> Any:
        self.check_room(deadline)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        late_at = math.inf if deadline is None else time.monotonic() + deadline
        self._queues.setdefault(owner, deque()).append(_Item(work, future, late_at, awaited))
        self._dispatch()
        return await future

    def close(self) -> None:
        """Let running work end, and drop waiting work."""
        for queue in self._queues.values():
            for item in queue:
                if not item.future.done():
                    item.future.set_exception(Problem("draining", "the server is stopping", "try again", 2))
        self._queues.clear()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _dispatch(self) -> None:
        loop = asyncio.get_running_loop()
        while self.running < self.size and (item := self._next()) is not None:
            self.running += 1
            waited = time.monotonic() - item.queued_at
            if self._on_wait is not None:
                self._on_wait(self.name, waited)
            started = time.monotonic()
            task: asyncio.Future[Any]
            if item.awaited:
                task = loop.create_task(item.work())
                item.future.add_done_callback(functools.partial(_leave, task))
            else:
                task = loop.run_in_executor(self._threads, item.work)
            task.add_done_callback(functools.partial(self._ended, item, started, self.running))

    def _next(self) -> _Item | None:
        while self._queues:
            owner, queue = next(iter(self._queues.items()))
            self._queues.move_to_end(owner)
            item = queue.popleft()
            if not queue:
                del self._queues[owner]
            if item.future.done():
                continue  # cancelled while it waited
            if time.monotonic() > item.late_at:
                item.future.set_exception(
                    Problem("deadline", f"the request waited too long for {self.name}", "try again", retry_after=1)
                )
                continue
            return item
        return None

    def _ended(self, item: _Item, started: float, beside: int, done: asyncio.Future[Any]) -> None:
        if not done.cancelled():  # a cancelled piece does not show how long a whole one takes
            self._measure(time.monotonic() - started, (beside + self.running) / 2)
        self.running -= 1
        if not item.future.done():
            if done.cancelled():
                item.future.cancel()
            elif (error := done.exception()) is not None:
                item.future.set_exception(error)
            else:
                item.future.set_result(done.result())
        elif not done.cancelled():
            done.exception()  # read it, so that asyncio does not complain
        self._dispatch()

    def guess(self, seconds: float) -> None:
        """Set the seconds that a piece is assumed to take until one was measured."""
        if not self._measured:
            self._share = seconds

    def _measure(self, seconds: float, beside: float) -> None:
        """Learn from a piece that took ``seconds`` while ``beside`` pieces, itself included, were running."""
        share = seconds / beside
        if not self._measured:
            self._share, self._measured = share, True
            return
        self._deviation = (1 - MEMORY) * self._deviation + MEMORY * abs(share - self._share)
        self._share = (1 - MEMORY) * self._share + MEMORY * share


def _leave(task: asyncio.Future[Any], future: asyncio.Future[Any]) -> None:
    """End the work that only a caller who left was waiting for."""
    if future.cancelled() and not task.done():
        task.cancel()
