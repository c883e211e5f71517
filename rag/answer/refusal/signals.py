"""Combine signals to decide whether a small model's answer stands, or the reply is "not in these documents".

A small model that is told to refuse does so by chance, and one that is not told invents. So it is asked plainly, and
a logistic model weighs what is known about the answer:

- ``allowed``: log-odds that it refuses if the same prompt ends with a line that offers a refusal;
- ``logprob``: mean log-probability of the tokens it wrote;
- ``support``: share of the answer's terms that a passage holds; 0 if it lacks one of its numbers;
- ``asked``: share of the question's terms that a passage holds;
- ``near``: how near the nearest sentence is to the question, measured by the collection (``Floor.nearness``).

The weights are fitted by ``rag-eval calibrate --answers`` on the answers that ``rag-eval layouts`` recorded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexes.errors import SettingsError
from indexes.plain import Plain
from rag.answer.check.support import PassageSupport
from rag.answer.language import detect_language
from rag.answer.refusal.fitted import FITTED
from rag.answer.words.terms import terms_of
from rag.retrieval.candidate import Passage
from rag.settings import Settings

SIGNALS = ("allowed", "logprob", "support", "asked", "near")
HALF = 0.5  # share of a text's terms below which it may be about a passage of another language
LIMIT = 6.0  # log-odds are clipped to this: beyond it they carry no information


@dataclass(frozen=True, slots=True)
class RefusalModel(Plain):
    """Weights of the signals, fitted for one language model.

    >>> model = RefusalModel({"support": -4.0}, {"support": 0.5}, bias=0.0, bound=0.5)
    >>> model.weigh({"support": 1.0}).refused, model.weigh({"support": 0.0}).refused
    (False, True)
    >>> both = RefusalModel({"near": -2.0}, {"near": 0.5}, bias=0.0, bound=0.5, otherwise=model)
    >>> both.weigh({"near": 0.1, "support": 1.0}).decided_by, both.weigh({"support": 1.0}).decided_by
    ('near', 'support')

    Args:
        weights: signal -> weight of its distance from the mean.
        means: signal -> mean, which a missing signal is replaced by.
        bias: log-odds of a refusal if every signal is average.
        bound: probability from which an answer is refused.
        fitted_on: what it was fitted on, in words.
        otherwise: weighs instead if ``near`` is unknown, as in a small collection; it outweighs the other signals, so
            its mean would leave too little to decide by.
    """

    weights: Mapping[str, float]
    means: Mapping[str, float]
    bias: float
    bound: float
    fitted_on: str = ""
    otherwise: RefusalModel | None = None

    def weigh(self, signals: Mapping[str, float | None]) -> RefusalVerdict:
        """Return the probability that the passages do not answer, and the signal that decided."""
        if self.otherwise is not None and signals.get("near") is None:
            return self.otherwise.weigh(signals)
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
    """What the signals decide.

    >>> model = RefusalModel({"asked": -4.0, "support": -1.0}, {"asked": 0.5, "support": 0.5}, bias=0.0, bound=0.5)
    >>> verdict = model.weigh({"asked": 0.0, "support": 0.75})
    >>> verdict.refused, verdict.decided_by, verdict.parts
    (True, 'asked', {'asked': 2.0, 'support': -0.25})

    Args:
        probability: that the passages do not answer, 0 to 1.
        refused: whether the answer is refused.
        decided_by: the signal that contributed most to the decision.
        parts: signal -> contribution, in log-odds.
    """

    probability: float
    refused: bool
    decided_by: str
    parts: Mapping[str, float]


def refusal_model(settings: Settings) -> RefusalModel | None:
    """Return the fitted signals for the language model in use; None if its own words decide.

    >>> small = {"llm": {"model": "qwen2.5-coder-1.5b"}}
    >>> sorted(refusal_model(Settings.model_validate(small)).weights)
    ['allowed', 'asked', 'logprob', 'near', 'support']
    >>> refusal_model(Settings.model_validate(small | {"answer": {"refusal": "model"}})) is None
    True

    Raises:
        SettingsError: ``answer.refusal`` is "signals" and none are fitted for this model, or the file cannot be used.
    """
    answer = settings.answer
    if answer.refusal == "model":
        return None
    if answer.refusal_file is not None:
        return read_refusal_file(answer.refusal_file)
    name = settings.llm.model.lower().replace(":", "-").replace("_", "-")
    fitted = next((values for known, values in FITTED.items() if known in name), None)
    if fitted is not None:
        return _model(fitted)
    if answer.refusal == "signals":
        raise SettingsError(
            f"answer.refusal is 'signals', but none are fitted for the model '{settings.llm.model}'",
            remedy="run 'rag-eval layouts' and 'rag-eval calibrate --answers', and set answer.refusal_file",
        )
    return None


def read_refusal_file(path: Path) -> RefusalModel:
    """Read what ``rag-eval calibrate --answers`` wrote.

    >>> read_refusal_file(Path("no-such.json"))
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: answer.refusal_file = 'no-such.json' cannot be used ([Errno 2] No such file or
     directory: 'no-such.json'); write it with 'rag-eval calibrate --answers', or remove the setting

    Raises:
        SettingsError: the file cannot be read or holds something else.
    """
    try:
        found = json.loads(path.expanduser().read_text(encoding="utf-8"))
        model = _model(found)
        for one in filter(None, (model, model.otherwise)):
            if set(one.weights) - set(SIGNALS) or set(one.weights) - set(one.means):
                raise ValueError("unknown signals")
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"answer.refusal_file = '{path}' cannot be used ({error})",
            remedy="write it with 'rag-eval calibrate --answers', or remove the setting",
        ) from error
    return model


def _model(fields: Mapping[str, Any]) -> RefusalModel:
    otherwise = fields.get("otherwise")
    return RefusalModel(**{**fields, "otherwise": None if otherwise is None else _model(otherwise)})


def log_odds(probability: float) -> float:
    """Return the log-odds of a probability, clipped to [-6, 6].

    >>> log_odds(0.5), round(log_odds(0.9), 2), log_odds(1.0)
    (0.0, 2.2, 6.0)
    """
    inside = min(max(probability, 1e-9), 1 - 1e-9)
    return max(-LIMIT, min(LIMIT, math.log(inside / (1 - inside))))


def share_in_passages(text: str, passages: Sequence[Passage], question: str) -> float | None:
    """Return the largest share of a text's terms that neighbouring sentences of one passage of its language hold.

    0.0 if they lack a number of the text. Numbers that the question states do not count: "the 2015 season" is often
    only "the season" in a passage about it.
    None if the text has no terms, or no passage is in its language: words cannot be compared across languages. So it
    is, too, if those of its language hold less than half and a passage of another language may hold it.

    >>> from indexes.nodes.record import SentenceRecord
    >>> passage = Passage(1, [SentenceRecord("x.md", 0, "The harbour opens at 6.")], [], 0.9)
    >>> asked = "When does the harbour open in 2024?"
    >>> share_in_passages(asked, [passage], asked), share_in_passages("It opens at 7.", [passage], asked)
    (0.5, 0.0)
    """
    terms, language = terms_of(text), detect_language(text)
    stated = {term.key for term in terms_of(question)}
    own = [term for term in terms if term.key not in stated]
    worded = any(char.isalpha() for char in text)  # a bare number belongs to every language
    near = [PassageSupport(one) for one in passages if not worded or detect_language(one.text) == language]
    best = max((one.share(terms) if one.states(own) else 0.0 for one in near), default=0.0)
    return None if not terms or not near or (best < HALF and len(near) < len(passages)) else best
