"""Fit a model that decides when a small language model's answer is refused, and report its held-out figures.

A logistic model with ridge penalty learns "the documents do not answer" from questions without their documents and from
right answers; wrong answers to answerable questions are not used. Its threshold is the lowest that refuses at most the
given share of right answers. All figures are held out: each answer is judged by a model fitted without its question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from eval.answers.layouts import Kept
from indexes.errors import SettingsError, SourceError
from indexes.plain import Plain
from rag.answer.refusal.signals import SIGNALS, RefusalModel

RIDGE = 1.0  # in units of each signal's spread: prevents weights of fifty from ten questions
FOLDS = 10


@dataclass(slots=True)
class Figures(Plain):
    """Shares over one set of answers; None if there are no answers of that kind.

    >>> found = Figures(answers=40, answerable=20, unanswerable=20, right=0.8, false_refusals=0.05, refused=0.9)
    >>> found.as_dict()["refused"], found.as_dict()["seconds"]
    (0.9, None)

    Args:
        right: share of answerable questions answered rightly.
        false_refusals: share of answerable questions refused.
        refused: share of unanswerable questions refused.
    """

    answers: int
    answerable: int
    unanswerable: int
    right: float | None
    false_refusals: float | None
    refused: float | None
    prompt_tokens: float | None = None
    first_word: float | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Fit(Plain):
    """The fitted model, its held-out figures, each signal's area under the ROC curve, and notes."""

    model: RefusalModel
    held_out: Figures
    alone: dict[str, float | None]
    notes: list[str] = field(default_factory=list)


def figures(rows: Sequence[Kept], refused: Sequence[bool]) -> Figures:
    """Return the shares for decisions in ``refused``, one per answer.

    >>> row = Kept("guide", "q1", "plain", "qwen3:8b", {}, True, "At 6.", right=True, refused=False, signals={})
    >>> other = Kept("guide", "q2", "plain", "qwen3:8b", {}, False, "At 7.", right=False, refused=False, signals={})
    >>> found = figures([row, other], refused=[False, True])
    >>> found.right, found.false_refusals, found.refused
    (1.0, 0.0, 1.0)
    """
    pairs = list(zip(rows, refused, strict=True))
    answerable = [(row, no) for row, no in pairs if row.answerable]
    unanswerable = [no for row, no in pairs if not row.answerable]
    return Figures(
        answers=len(rows),
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        right=_mean([row.right and not no for row, no in answerable]),
        false_refusals=_mean([no for _, no in answerable]),
        refused=_mean(unanswerable),
        prompt_tokens=_mean([row.prompt_tokens for row in rows if row.prompt_tokens is not None]),
        first_word=_mean([row.first_word for row in rows if row.first_word is not None]),
        seconds=_mean([row.seconds for row in rows]),
    )


def fit_refusals(
    rows: Sequence[Kept], *, signals: Sequence[str] = SIGNALS, rate: float = 0.05, fitted_on: str = ""
) -> Fit:
    """Fit on saved answers of one model and one layout.

    >>> def kept(query, answerable, support):
    ...     row = Kept("guide", query, "plain", "qwen3:8b", {}, answerable, "At 6.", answerable, False, {})
    ...     row.signals["support"] = support
    ...     return row
    >>> rows = [*(kept(f"q{i}", True, 0.9) for i in range(20)), *(kept(f"w{i}", False, 0.1) for i in range(20))]
    >>> found = fit_refusals(rows, signals=["support"])
    >>> found.held_out.right, found.held_out.refused, found.alone["support"]
    (1.0, 1.0, 1.0)

    Args:
        signals: names of the signals to use.
        rate: share of right answers that may be refused, between 0 and 1.
        fitted_on: description of the answers, stored with the model.

    Raises:
        SettingsError: ``rate`` is not between 0 and 1, or a signal is unknown.
        SourceError: there are fewer than five right answers, or five answers to questions without documents.
    """
    if not 0 < rate < 1:
        raise SettingsError(
            f"{rate} is not a share of false refusals", remedy="use a number between 0 and 1, such as 0.05"
        )
    unknown = [name for name in signals if name not in SIGNALS]
    if unknown or not signals:
        raise SettingsError(f"unknown signal {unknown}", remedy=f"use some of {', '.join(SIGNALS)}")
    usable = [row for row in rows if not row.refused]
    right, wrong = [r for r in usable if r.right], [r for r in usable if not r.answerable]
    if len(right) < 5 or len(wrong) < 5:
        raise SourceError(
            f"{len(right)} right answers and {len(wrong)} answers without documents are too few to fit refusals on",
            remedy="ask more questions with 'rag-eval layouts --queries'",
        )
    model = _fit(right, wrong, signals, rate, fitted_on)
    without = [name for name in signals if name != "near"]
    if 0 < len(without) < len(signals):
        model = replace(model, otherwise=_fit(right, wrong, without, rate, ""))
    held = held_out(rows, signals=signals, rate=rate)
    alone = {name: _area(right, wrong, name) for name in SIGNALS}
    missing = [name for name in signals if all(row.signals.get(name) is None for row in usable)]
    notes = [f"no answer has the signal {name}, so its weight is 0" for name in missing]
    return Fit(model, figures(rows, held), alone, notes)


def held_out(rows: Sequence[Kept], *, signals: Sequence[str] = SIGNALS, rate: float = 0.05) -> list[bool]:
    """Return for each answer whether a model fitted without its question would refuse it.

    >>> def kept(query, answerable, support):
    ...     row = Kept("guide", query, "plain", "qwen3:8b", {}, answerable, "At 6.", answerable, False, {})
    ...     row.signals["support"] = support
    ...     return row
    >>> rows = [*(kept(f"q{i}", True, 0.9) for i in range(20)), *(kept(f"w{i}", False, 0.1) for i in range(20))]
    >>> refused = held_out(rows, signals=["support"])
    >>> sum(refused[:20]), sum(refused[20:])
    (0, 20)
    """
    groups = list(dict.fromkeys((row.dataset, row.query) for row in rows))
    order = np.random.default_rng(0).permutation(len(groups))
    fold_of = {groups[place]: number % FOLDS for number, place in enumerate(order)}
    decided = [False] * len(rows)
    for fold in range(FOLDS):
        train = [row for row in rows if fold_of[row.dataset, row.query] != fold and not row.refused]
        right, wrong = [r for r in train if r.right], [r for r in train if not r.answerable]
        model = _fit(right, wrong, signals, rate, "") if len(right) > 1 and len(wrong) > 1 else None
        for place, row in enumerate(rows):
            if fold_of[row.dataset, row.query] == fold:
                decided[place] = row.refused or (model is not None and model.weigh(row.signals).refused)
    return decided


def _fit(
    right: Sequence[Kept], wrong: Sequence[Kept], signals: Sequence[str], rate: float, fitted_on: str
) -> RefusalModel:
    rows = [*right, *wrong]
    values = np.array([[_value(row, name) for name in signals] for row in rows])
    means = np.array([_nanmean(column) for column in values.T])
    filled = np.where(np.isnan(values), means, values)
    spread = filled.std(axis=0)
    spread[spread < 1e-9] = 1.0
    labels = np.array([0.0] * len(right) + [1.0] * len(wrong))
    # Both kinds have the same weight, whatever the share of questions without documents.
    weights = np.array([0.5 / len(right)] * len(right) + [0.5 / len(wrong)] * len(wrong)) * len(rows)
    slope, bias = _newton((filled - means) / spread, labels, weights)
    model = RefusalModel(
        weights={name: round(float(slope[i] / spread[i]), 4) for i, name in enumerate(signals)},
        means={name: round(float(means[i]), 4) for i, name in enumerate(signals)},
        bias=round(float(bias), 4),
        bound=0.5,
        fitted_on=fitted_on,
    )
    chances = sorted(model.weigh(row.signals).probability for row in right)
    place = math.ceil(len(chances) * (1 - rate)) - 1
    above = math.nextafter(chances[min(place, len(chances) - 1)], 1.0)
    # Never below even odds: if hardly any right answer looks doubtful, few answers should be refused.
    bound = round(min(0.99, max(0.5, above + 0.005)), 4)
    return RefusalModel(model.weights, model.means, model.bias, bound, fitted_on)


def _newton(x: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit a weighted logistic regression with a ridge penalty on all weights but the bias."""
    design = np.hstack([x, np.ones((len(x), 1))])
    penalty = np.diag([RIDGE] * x.shape[1] + [1e-6])
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (weights * (chance - labels)) + penalty @ beta
        curve = design.T @ (design * (weights * chance * (1 - chance))[:, None]) + penalty
        step = np.linalg.solve(curve, gradient)
        beta = beta - step
        if np.abs(step).max() < 1e-8:
            break
    return beta[:-1], float(beta[-1])


def _area(right: Sequence[Kept], wrong: Sequence[Kept], name: str) -> float | None:
    """Return a signal's area under the ROC curve, in its better direction."""
    good = [value for row in right if (value := row.signals.get(name)) is not None]
    bad = [value for row in wrong if (value := row.signals.get(name)) is not None]
    if not good or not bad:
        return None
    won = sum((b > g) + 0.5 * (b == g) for b in bad for g in good) / (len(good) * len(bad))
    return round(max(won, 1 - won), 4)


def _value(row: Kept, name: str) -> float:
    value = row.signals.get(name)
    return float("nan") if value is None else value


def _nanmean(column: np.ndarray) -> float:
    known = column[~np.isnan(column)]
    return float(known.mean()) if len(known) else 0.0


def _mean(values: Sequence[Any]) -> float | None:
    return float(np.mean([float(value) for value in values])) if values else None
