"""Progress of an evaluation: a function that is told how much of a loop is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

T = TypeVar("T")
Tick = Callable[[int, int], object]  # (done, in all)


def ticking(items: Collection[T], tick: Tick | None) -> Iterator[T]:
    """Yield the items, and tell ``tick`` after each how many are done."""
    for number, item in enumerate(items, start=1):
        yield item
        if tick is not None:
            tick(number, len(items))
