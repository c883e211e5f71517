"""The verdict on one claim, and the interface of what compares meanings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rag.answer.check.support import Unit

Status = Literal["cited", "matched", "moved", "unverified", "unsupported", "contradicted"]


class Nearness(Protocol):
    """Compares meanings: about 1 for the same, 0 for unrelated sentences, None if it cannot tell."""

    def nearness(self, claim: str, sentences: Sequence[str], *, across: bool) -> list[float] | None: ...


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """The verdict on a claim.

    Args:
        status: as in ``AnswerSentence``.
        numbers: the passages that support it; if none does, those that it cites.
        decided_by: numbers, names, negation, words, question, encoder, or none.
        support: share of its terms that its passage holds, 0 to 1.
        unit: the supporting sentence in the first of ``numbers``.
        holding: those of the cited passages that support it alone.
    """

    status: Status
    numbers: tuple[int, ...]
    decided_by: str
    support: float
    unit: Unit | None = None
    holding: tuple[int, ...] = ()
