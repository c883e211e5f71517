"""In place of Dask: bundles done in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

from indexes.cluster.driver import Distribute, driving
from indexes.cluster.items import Bundle, Done, Lost, Order
from indexes.cluster.work import Worker
from indexes.errors import RagWrightError
from indexes.ingest.events import Spread

Before: TypeAlias = Callable[[Bundle], Lost | None]


def spread_here(before: Before = lambda bundle: None) -> Spread:
    """What ``ingest`` takes; ``before`` may lose a bundle, after it was done."""

    def distribute(bundles: Iterable[Bundle], order: Order) -> Iterator[Done]:
        worker = Worker(order)
        try:
            for bundle in bundles:
                done: Done
                try:
                    done = bundle, worker(bundle)
                except RagWrightError as error:
                    done = bundle, error
                lost = before(bundle)
                yield done if lost is None else (bundle, lost)
        finally:
            worker.close()

    @contextmanager
    def open_() -> Iterator[Distribute]:
        yield distribute

    return partial(driving, open_=open_)
