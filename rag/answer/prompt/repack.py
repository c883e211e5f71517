"""The order of passages in the prompt (arXiv 2407.01219 found reverse, the best next to the question, ahead)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

T = TypeVar("T")

Order = Literal["forward", "reverse", "sides"]


def repack(passages: Sequence[T], order: Order = "reverse") -> list[T]:
    """Reorder ``passages`` (best first) for the prompt; their citation numbers do not change.

    Args:
        passages: best first.
        order: "forward" (best first), "reverse" (best last, nearest to the question) or "sides" (best first, second
            best last, the weakest in the middle; arXiv 2307.03172).
    """
    if order == "forward":
        return list(passages)
    if order == "reverse":
        return list(reversed(passages))
    if order == "sides":
        return [*passages[0::2], *reversed(passages[1::2])]
    raise ValueError(f"order is forward, reverse or sides, not {order!r}")
