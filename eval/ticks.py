"""Progress of an evaluation: a function that is told how much of a loop is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from indexes.parallel import in_order

T = TypeVar("T")
R = TypeVar("R")
Tick = Callable[[int, int], object]  # (done, in all)


def ticking(items: Collection[T], tick: Tick | None) -> Iterator[T]:
    """Yield the items, and tell ``tick`` after each how many are done."""
    for number, item in enumerate(items, start=1):
        yield item
        if tick is not None:
            tick(number, len(items))


def side_by_side(
    work: Callable[[T], R], items: Collection[T], parallel: int, tick: Tick | None = None
) -> Iterator[tuple[T, R]]:
    """Yield each item with what ``work`` gives for it, in order (``in_order``), and tell ``tick`` how many are done."""
    for number, (item, found) in enumerate(zip(items, in_order(work, items, parallel), strict=True), start=1):
        yield item, found
        if tick is not None:
            tick(number, len(items))
