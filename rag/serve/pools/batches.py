"""Batches of a queue, which go through a model together."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def batches(waiting: queue.Queue[T | None], most: int, wait: float = 0.0) -> Iterator[list[T]]:
    """Yield the items of a queue, at most ``most`` at a time, until a None is read.

    >>> waiting = queue.Queue()
    >>> for item in (1, 2, 3, None):
    ...     waiting.put(item)
    >>> list(batches(waiting, most=2))
    [[1, 2], [3]]

    Args:
        wait: seconds to wait for more items after the first of a batch; 0 takes only what is there.
    """
    while (first := waiting.get()) is not None:
        items: list[T] = [first]
        until, ended = time.monotonic() + wait, False
        while len(items) < most and not ended:
            left = until - time.monotonic()
            try:
                item = waiting.get(timeout=left) if left > 0 else waiting.get_nowait()
            except queue.Empty:
                break
            if item is None:
                ended = True
            else:
                items.append(item)
        yield items
        if ended:
            return
