"""Does an answer of a small model stand, or is the honest reply "not in these documents"? Several signals, combined.

A small model that is told to refuse does so by chance, and one that is not told invents. So it is asked plainly, and
a logistic model weighs what is known about the answer:

- ``allowed``: log-odds that it refuses when the same prompt ends with a line that offers a refusal;
- ``logprob``: mean log-probability of the tokens it wrote;
- ``support``: share of the answer's terms that a passage holds;
- ``asked``: share of the question's terms that a passage holds.

The weights are fitted by ``rag-eval calibrate --answers`` on what ``rag-eval layouts`` kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexes.errors import SettingsError
from indexes.plain import Plain
from rag.answer.check.support import PassageSupport
from rag.answer.language import detect_language
from rag.answer.refusal.fitted import FITTED
from rag.answer.words.terms import terms_of
from rag.retrieval.candidate import Passage
from rag.settings import Settings

SIGNALS = ("allowed", "logprob", "support", "asked")
LIMIT = 6.0  # log-odds are cut there: beyond it they say nothing more


@dataclass(frozen=True, slots=True)
class RefusalModel(Plain):
    """Weights of the signals, fitted for one language model.

    Args:
        weights: signal -> weight of its distance from ``means``, in units of the signal.
        means: signal -> what it is on average; a signal that is missing counts as that.
        bias: log-odds of a refusal where every signal is average.
        bound: probability from which an answer is refused.
        fitted_on: what it was fitted on, in words.
    """

    weights: Mapping[str, float]
    means: Mapping[str, float]
    bias: float
    bound: float
    fitted_on: str = ""

    def weigh(self, signals: Mapping[str, float | None]) -> RefusalVerdict:
        """Return the probability that the passages do not answer, and the signal that said so most clearly."""
        parts = {
            name: weight
            * ((value if (value := signals.get(name)) is not None else self.means[name]) - self.means[name])
            for name, weight in self.weights.items()
        }
        chance = 1 / (1 + math.exp(-max(-50.0, min(50.0, self.bias + sum(parts.values())))))
        refused = chance >= self.bound
        decided = max(parts, key=lambda name: parts[name] if refused else -parts[name])
        return RefusalVerdict(chance, refused, decided, {name: round(part, 3) for name, part in parts.items()})


@dataclass(frozen=True, slots=True)
class RefusalVerdict:
    """``decided_by`` is the signal that moved the decision furthest its way; ``parts`` are all moves, in log-odds."""

    probability: float
    refused: bool
    decided_by: str
    parts: Mapping[str, float]


def refusal_model(settings: Settings) -> RefusalModel | None:
    """Return the fitted signals for the language model in use; None where its own words decide.

    Raises:
        SettingsError: ``answer.refusal`` is "signals" and there are none for this model, or the file cannot be used.
    """
    answer = settings.answer
    if answer.refusal == "model":
        return None
    if answer.refusal_file is not None:
        return read_refusal_file(answer.refusal_file)
    name = settings.llm.model.lower().replace(":", "-").replace("_", "-")
    fitted = next((values for known, values in FITTED.items() if known in name), None)
    if fitted is not None:
        return RefusalModel(**fitted)
    if answer.refusal == "signals":
        raise SettingsError(
            f"answer.refusal is signals, but none are fitted for the model '{settings.llm.model}'",
            remedy="run 'rag-eval layouts' and 'rag-eval calibrate --answers', and set answer.refusal_file",
        )
    return None


def read_refusal_file(path: Path) -> RefusalModel:
    """Read what ``rag-eval calibrate --answers`` wrote.

    Raises:
        SettingsError: the file cannot be read or holds something else.
    """
    try:
        found = json.loads(path.expanduser().read_text(encoding="utf-8"))
        model = RefusalModel(**found)
        if set(model.weights) - set(SIGNALS) or set(model.weights) - set(model.means):
            raise ValueError("unknown signals")
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"answer.refusal_file = '{path}' cannot be used ({error})",
            remedy="write it with 'rag-eval calibrate --answers', or remove the setting",
        ) from error
    return model


def log_odds(probability: float) -> float:
    """Return the log-odds of a probability, within 6 and -6."""
    inside = min(max(probability, 1e-9), 1 - 1e-9)
    return max(-LIMIT, min(LIMIT, math.log(inside / (1 - inside))))


def share_in_passages(text: str, passages: Sequence[Passage]) -> float | None:
    """Return the largest share of a text's terms that one passage of its language holds.

    None for a text without terms, and where no passage is in its language: words say nothing across languages.
    """
    terms, language = terms_of(text), detect_language(text)
    worded = any(char.isalpha() for char in text)  # a bare number is of every language
    near = [one for one in passages if not worded or detect_language(one.text) == language]
    shares = [PassageSupport(one).support(terms) for one in near]
    return max(shares) if terms and shares else None
