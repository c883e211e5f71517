"""Ask a busy language model's server again, after the pause that it asks for.

A reader's question is not repeated: the documents' own sentences now are better than a late answer. A long run (an
evaluation, question writing) waits instead; its model comes from ``patient``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from indexes.http import BUSY, seconds_of
from rag.llms.failures import causes_of

T = TypeVar("T")
TRIES = 5
LONGEST = 30.0  # seconds; a server that asks for a longer pause is reported as busy


def persist(call: Callable[[], T], tries: int) -> T:
    """Return the result of ``call``, which is repeated while the server is busy, at most ``tries`` calls in all.

    >>> persist(lambda: "six", tries=3)
    'six'
    """
    for again in range(tries):
        try:
            return call()
        except Exception as error:
            pause = pause_of(error, again)
            if pause is None or again == tries - 1:
                raise
        time.sleep(pause)
    raise AssertionError("tries is 0")


def persist_stream(begin: Callable[[], Iterator[T]], tries: int) -> Iterator[T]:
    """Yield a stream that is started again while the server is busy, but not after its first piece.

    >>> list(persist_stream(lambda: iter(("at ", "six")), tries=3))
    ['at ', 'six']
    """

    def first() -> tuple[bool, Any, Iterator[T]]:
        stream = begin()
        for piece in stream:
            return True, piece, stream
        return False, None, stream

    begun, piece, stream = persist(first, tries)
    if begun:
        yield piece
        yield from stream


def pause_of(error: Exception, again: int) -> float | None:
    """Return the seconds to wait before the next try; None if another try is useless.

    >>> busy = OSError()
    >>> busy.status_code = 503
    >>> pause_of(busy, 0), pause_of(busy, 2), pause_of(OSError(), 0)
    (0.5, 2.0, None)

    Args:
        again: number of tries before, minus one.
    """
    for cause in causes_of(error):
        if getattr(cause, "status_code", None) in BUSY:
            headers = getattr(getattr(cause, "response", None), "headers", None) or {}
            retry_after = seconds_of(headers.get("retry-after", ""))
            pause = retry_after if retry_after is not None else 0.5 * 2**again
            return pause if pause <= LONGEST else None
    return None
