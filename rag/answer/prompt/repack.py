"""The order of passages in the prompt (arXiv 2407.01219 found reverse, with the best next to the question, best)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

T = TypeVar("T")

Order = Literal["forward", "reverse", "sides"]


def repack(passages: Sequence[T], order: Order = "reverse") -> list[T]:
    """Reorder passages for the prompt; their citation numbers do not change.

    >>> repack([1, 2, 3, 4, 5]), repack([1, 2, 3, 4, 5], "sides")
    ([5, 4, 3, 2, 1], [1, 3, 5, 4, 2])

    Args:
        passages: best first.
        order: "forward" (best first), "reverse" (best last, next to the question) or "sides" (best first, second best
            last, the weakest in the middle; arXiv 2307.03172).
    """
    if order == "forward":
        return list(passages)
    if order == "reverse":
        return list(reversed(passages))
    if order == "sides":
        return [*passages[0::2], *reversed(passages[1::2])]
    raise ValueError(f"order must be forward, reverse or sides, not {order!r}")
