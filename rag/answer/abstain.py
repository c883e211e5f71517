"""When to say "not in these documents": retrieval too weak, or the model says so itself."""

from __future__ import annotations

from rag.answer.language import Language
from rag.answer.prompts import NOT_FOUND
from rag.settings import AnswerSettings


def too_weak(best_score: float | None, settings: AnswerSettings) -> bool:
    """True when nothing was found, or the best passage's score is below ``settings.abstain_below`` (if set)."""
    if best_score is None:
        return True
    return settings.abstain_below is not None and best_score < settings.abstain_below


def says_not_found(answer: str, language: Language) -> bool:
    """True when ``answer`` says that the passages do not hold the answer, and says nothing else."""
    return answer.strip() in ("", *NOT_FOUND.values())
