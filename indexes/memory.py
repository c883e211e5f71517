"""What the process holds: memory that was freed, back to the system; objects that stay, out of the collector's way."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def give_back() -> None:
    """glibc by itself gives back the end of its heaps only; what encoding tensors of ever other sizes, or closing a
    collection, left free in the midst of them stays with the process. Milliseconds; does nothing on other systems."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def steady() -> Iterator[None]:
    """What is there now (a model's libraries, a million objects) is not looked through by the cyclic garbage collector
    again and again while many small objects come and go."""
    if gc.get_freeze_count():  # the user's own doing: let it be
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
