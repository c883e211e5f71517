"""Several requests at once to a server that takes them: a bounded number, and results in the order of the work."""

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
AHEAD = 2  # times ``parallel``: what is begun while the first of it is still waited for


def in_order(work: Callable[[T], R], items: Iterable[T], parallel: int) -> Iterator[R]:
    """Yield ``work(item)`` of each item, in the order of the items.

    What one raises is raised at its place, and what has not begun by then is not begun. With ``parallel`` 1 all is done
    in this thread, each item when its result is asked for.

    Args:
        parallel: most items that are worked on at once, each in a thread of its own.

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
                # Daemons: Ctrl-C does not wait for what a slow server has not answered yet.
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
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            future.set_exception(error)


def parallel_of(setting: int | None, provider: str, usual: int, environ: Mapping[str, str]) -> int:
    """Return how many requests a provider's server is sent at once.

    Args:
        setting: the setting; None: ``usual`` for servers with OpenAI's API, OLLAMA_NUM_PARALLEL (1 if unset, as the
            server has it) for Ollama. A model in this process does one thing at a time, whatever is asked.

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
