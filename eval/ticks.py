"""Progress of an evaluation: a callback that receives how much of a loop is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from indexes.parallel import in_order

T = TypeVar("T")
R = TypeVar("R")
Tick = Callable[[int, int], object]  # (done, total)


def ticking(items: Collection[T], tick: Tick | None) -> Iterator[T]:
    """Yield the items, and call ``tick(done, total)`` after each.

    >>> list(ticking(["a", "b"], lambda done, total: print(done, "of", total)))
    1 of 2
    2 of 2
    ['a', 'b']
    """
    for number, item in enumerate(items, start=1):
        yield item
        if tick is not None:
            tick(number, len(items))


def side_by_side(
    work: Callable[[T], R], items: Collection[T], parallel: int, tick: Tick | None = None
) -> Iterator[tuple[T, R]]:
    """Yield (item, ``work(item)``) in the order of the items, and call ``tick(done, total)`` after each.

    Args:
        parallel: number of items in work at once; 1 works in this thread.

    >>> list(side_by_side(len, ["a", "bb"], parallel=2))
    [('a', 1), ('bb', 2)]
    """
    for number, (item, found) in enumerate(zip(items, in_order(work, items, parallel), strict=True), start=1):
        yield item, found
        if tick is not None:
            tick(number, len(items))
