"""Concurrent requests to a server: a limited number, with results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 2  # times ``parallel``: items begun while the first result is pending


def in_order(work: Callable[[T], R], items: Iterable[T], parallel: int) -> Iterator[R]:
    """Yield ``work(item)`` for each item, in order.

    An error is raised in place of its result, and further items are not begun. With ``parallel`` 1 everything runs in
    this thread, each item on demand.

    Args:
        parallel: maximum number of items processed at once, in separate threads.

    >>> list(in_order(lambda word: word.upper(), ["a", "b", "c"], 2))
    ['A', 'B', 'C']
    """
    if parallel <= 1:
        yield from map(work, items)
        return
    tasks: SimpleQueue[Any] = SimpleQueue()
    waiting: deque[Future[R]] = deque()
    threads = 0
    try:
        for item in items:
            future: Future[R] = Future()
            waiting.append(future)
            tasks.put((future, copy_context(), item))
            if threads < parallel:
                threads += 1
                # Daemons: Ctrl-C must not wait for a slow server.
                threading.Thread(target=_work_off, args=(tasks, work), daemon=True, name="ragwright-parallel").start()
            if len(waiting) >= AHEAD * parallel:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        for _ in range(threads):
            tasks.put(None)


def _work_off(tasks: SimpleQueue[Any], work: Callable[[Any], Any]) -> None:
    while (task := tasks.get()) is not None:
        future, context, item = task
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(context.run(work, item))
        except BaseException as error:  # noqa: BLE001 - raised again in place of the result
            future.set_exception(error)


def parallel_of(setting: int | None, provider: str, usual: int, environ: Mapping[str, str]) -> int:
    """Return the number of concurrent requests to a provider's server.

    Args:
        setting: the setting; None: ``usual`` for servers with OpenAI's API, OLLAMA_NUM_PARALLEL (1 if unset, as on
            the server) for Ollama. A local model always has 1.

    >>> parallel_of(None, "openai", 16, {}), parallel_of(None, "ollama", 16, {}), parallel_of(8, "llama_cpp", 16, {})
    (16, 1, 1)
    """
    if provider not in ("openai", "ollama"):
        return 1
    if setting is not None:
        return setting
    if provider == "openai":
        return usual
    with suppress(ValueError):
        return max(1, int(environ.get("OLLAMA_NUM_PARALLEL", "1")))
    return 1
