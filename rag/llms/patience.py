"""Ask a busy language model's server again, after the pause that it asks for.

An answer to a reader is not repeated behind his back: he would rather have the documents' own sentences now. A long run
(an evaluation, questions to be written) would rather wait; it takes its model from ``patient``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from indexes.http import BUSY, seconds_of
from rag.llms.failures import causes_of

T = TypeVar("T")
TRIES = 5
LONGEST = 30.0  # seconds; a server that asks for a longer pause is reported instead of waited for


def persist(call: Callable[[], T], tries: int) -> T:
    """Return what ``call`` gives; asked again while the server is busy, ``tries`` times in all."""
    for again in range(tries):
        try:
            return call()
        except Exception as error:
            pause = pause_of(error, again)
            if pause is None or again == tries - 1:
                raise
        time.sleep(pause)
    raise AssertionError("asked no time at all")


def persist_stream(begin: Callable[[], Iterator[T]], tries: int) -> Iterator[T]:
    """Yield a stream that begins anew while the server is busy; what has begun to speak is not asked again."""

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
    """Return the seconds to wait before the next try; None where another try is of no use."""
    for cause in causes_of(error):
        if getattr(cause, "status_code", None) in BUSY:
            headers = getattr(getattr(cause, "response", None), "headers", None) or {}
            retry_after = seconds_of(headers.get("retry-after", ""))
            pause = retry_after if retry_after is not None else 0.5 * 2**again
            return pause if pause <= LONGEST else None
    return None
