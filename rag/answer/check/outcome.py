"""What is decided about one claim, and what the encoder may be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rag.answer.check.support import Unit

Status = Literal["cited", "matched", "moved", "unverified", "unsupported", "contradicted"]


class Nearness(Protocol):
    """How near a claim is to sentences in meaning: about 1 says the same, 0 is unrelated, None cannot tell."""

    def nearness(self, claim: str, sentences: Sequence[str], *, across: bool) -> list[float] | None: ...


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What was decided about a claim.

    Args:
        numbers: the passages that bear it out; of a claim without one, empty (a cited one keeps what it cited).
        decided_by: numbers, names, negation, words, question, encoder, or none.
        support: share of its terms that its passage holds, 0 to 1.
        unit: the passage sentence behind it, of the first of ``numbers``.
    """

    status: Status
    numbers: tuple[int, ...]
    decided_by: str
    support: float
    unit: Unit | None = None
