"""FairPool: a few threads, a bounded queue for each caller, served in turn.

Everything but the work itself happens on the event loop, so there is nothing to lock.
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rag.serve.errors import Problem

T = TypeVar("T")
FIRST_GUESS = 0.05  # seconds that one piece of work is taken to last before any was measured
MEMORY = 0.2  # share of the newest measurement in the running mean


@dataclass(slots=True)
class _Item:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    late_at: float
    queued_at: float = field(default_factory=time.monotonic)


class FairPool:
    """Run blocking work in ``size`` threads; at most ``limit`` pieces wait, and callers take turns.

    Args:
        name: for threads, metrics and refusals.
        size: pieces at work at once.
        limit: pieces waiting, all callers together.
        on_wait: called with the seconds that a piece waited, before it starts.
    """

    def __init__(self, name: str, size: int, limit: int, on_wait: Callable[[str, float], None] | None = None) -> None:
        self.name, self.size, self.limit = name, size, limit
        self.running = 0
        self._queues: OrderedDict[str, deque[_Item]] = OrderedDict()
        self._mean = FIRST_GUESS
        self._measured = False
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=f"ragwright-{name}")
        self._on_wait = on_wait

    @property
    def waiting(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def expected_wait(self) -> float:
        """Seconds until a piece that came now would start."""
        ahead = self.waiting + max(0, self.running - self.size + 1)
        return 0.0 if self.running < self.size and not self.waiting else ahead * self._mean / self.size

    def check_room(self, deadline: float | None = None) -> None:
        """Refuse at once what would find no room, or what could not start before its deadline (seconds from now).

        Raises:
            Problem: "busy", with the seconds after which trying again makes sense.
        """
        wait = self.expected_wait()
        hopeless = deadline is not None and self._measured and wait > deadline
        if self.waiting >= self.limit or hopeless:
            after = math.ceil((self.waiting + 1) * self._mean / self.size)
            raise Problem(
                "busy",
                f"the server is busy: {self.waiting} requests wait for {self.name}",
                "try again a little later",
                retry_after=max(1, min(30, after)),
            )

    async def run(self, owner: str, work: Callable[[], T], *, deadline: float | None = None) -> T:
        """Wait for a turn, run ``work`` in a thread and return what it returned.

        A caller that is cancelled while it waits is forgotten; work that has begun runs to its end.

        Args:
            owner: whose turn it is (the key's name).
            deadline: seconds from now after which the work is not begun any more.

        Raises:
            Problem: "busy" where no room is left, "deadline" where the turn came too late.
        """
        self.check_room(deadline)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        late_at = math.inf if deadline is None else time.monotonic() + deadline
        self._queues.setdefault(owner, deque()).append(_Item(work, future, late_at))
        self._dispatch()
        return await future

    def close(self) -> None:
        """Let running work end; what waits is not begun."""
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
            task = loop.run_in_executor(self._threads, item.work)
            task.add_done_callback(functools.partial(self._ended, item, started))

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

    def _ended(self, item: _Item, started: float, done: asyncio.Future[Any]) -> None:
        self.running -= 1
        seconds = time.monotonic() - started
        self._mean = seconds if not self._measured else (1 - MEMORY) * self._mean + MEMORY * seconds
        self._measured = True
        if not item.future.done():
            if (error := done.exception()) is not None:
                item.future.set_exception(error)
            else:
                item.future.set_result(done.result())
        else:
            done.exception()  # nobody waits for it; read it, so that asyncio does not complain
        self._dispatch()
