"""Memory that was freed, back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress


def give_back() -> None:
    """glibc by itself gives back the end of its heaps only; what encoding tensors of ever other sizes, or closing a
    collection, left free in the midst of them stays with the process. Milliseconds; does nothing on other systems."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
