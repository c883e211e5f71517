"""Memory of the process: return freed memory to the system, and exempt permanent objects from garbage collection."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def give_back() -> None:
    """Return freed memory to the system.

    glibc by itself returns only the ends of its heaps, so that memory freed by encoding tensors of varying sizes or by
    closing a collection stays with the process. Takes milliseconds; does nothing on other systems."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def steady() -> Iterator[None]:
    """Exempt existing objects (a model's libraries, a million objects) from cyclic garbage collection.

    Otherwise it would scan them again and again while many small objects are created.

    >>> with steady():
    ...     gc.get_freeze_count() > 0
    True
    """
    if gc.get_freeze_count():  # set by the user: leave it unchanged
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
