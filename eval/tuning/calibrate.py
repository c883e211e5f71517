"""calibrate: find the score below which the honest answer is "not in these documents".

A question is answered if its best passage scores at least the threshold. Questions are *unanswerable* if the dataset
has no relevant document for them, and each question becomes so without its relevant documents: what scores highest then
is wrong. The threshold is the smallest that keeps the share of unanswerable questions that are answered (the
false-answer rate) at or below the given rate, with the finite-sample correction of split conformal prediction: the
ceil((n + 1)(1 - rate))-th smallest of n such scores. Reported figures are held out: fitted on one half of the
questions, measured on the other, both ways.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eval.datasets.dataset import Dataset
from eval.measure.to_documents import Lifter
from eval.ticks import Tick, ticking
from indexes.display import counted
from indexes.errors import SettingsError, SourceError
from indexes.plain import Plain
from rag.answer.refusal.calibration import RELATIVE, score_fingerprint
from rag.answer.refusal.floor import Floor
from rag.retrieval.windows import merge_windows

RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)  # shown in the trade-off, besides the given rate


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """One false-answer rate: its threshold, and the held-out shares of questions that it answers.

    >>> found = fit([(0.9, 0.1 + i / 400) for i in range(120)], rate=0.05)
    >>> found.trade_off[0].rate, found.trade_off[0].answered
    (0.01, 1.0)
    """

    rate: float
    below: float
    false_answers: float
    answered: float


@dataclass(slots=True)
class Calibration(Plain):
    """A fitted threshold.

    >>> found = fit([(0.2, 0.1 + i / 400) for i in range(120)], rate=0.05)
    >>> found.check(least=0.5)
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: with a false-answer rate of 0.05, only 0% of 120 answerable questions are answered,
     less than the 50% of --min-answered; no rate answers that many: these scores cannot tell the two kinds of questions
     apart; use a reranker or another embedding model; or lower --min-answered

    Args:
        below: ``answer.abstain_below``.
        rate: the requested false-answer rate.
        fingerprint: ``answer.abstain_fingerprint``: the models that gave the scores.
        false_answers: held-out share of unanswerable questions that would be answered.
        answered: held-out share of answerable questions that would be answered.
        answerable, unanswerable: number of scores of each kind.
        notes: what a reader must know, one sentence each.
        trade_off: results of other rates, lowest first, without those that need more questions.
    """

    below: float
    rate: float
    fingerprint: str
    false_answers: float
    answered: float
    answerable: int
    unanswerable: int
    notes: list[str] = field(default_factory=list)
    trade_off: list[ThresholdChoice] = field(default_factory=list)

    def check(self, least: float) -> None:
        """Refuse a threshold that leaves too many answerable questions unanswered.

        Args:
            least: minimum share of answerable questions that are answered, 0 to 1.

        Raises:
            SettingsError: the share is lower; the error names the lowest rate that reaches it.
        """
        if not self.answerable or self.answered >= least:
            return
        enough = next((row for row in self.trade_off if row.answered >= least and row.rate > self.rate), None)
        remedy = (
            f"--rate {enough.rate:g} answers {enough.answered:.0%} of them, and {enough.false_answers:.0%} of the "
            "unanswerable ones"
            if enough
            else "no rate answers that many: these scores cannot tell the two kinds of questions apart; use a reranker "
            "or another embedding model"
        )
        raise SettingsError(
            f"with a false-answer rate of {self.rate:g}, only {self.answered:.0%} of {self.answerable} answerable "
            f"questions are answered, less than the {least:.0%} of --min-answered",
            remedy=f"{remedy}; or lower --min-answered",
        )


def fit_threshold(unanswerable: Sequence[float], rate: float) -> float:
    """Return the smallest threshold at which at most ``rate`` of questions like these are answered.

    Args:
        unanswerable: best score of each unanswerable question.

    Raises:
        SettingsError: ``rate`` is not between 0 and 1, or too low for the number of questions.

    >>> fit_threshold([0.1, 0.2, 0.3, 0.4], rate=0.25) > 0.4
    True
    """
    if not 0 < rate < 1:
        raise SettingsError(f"{rate} is not a false-answer rate", remedy="use a number between 0 and 1, such as 0.05")
    values, place = sorted(unanswerable), math.ceil((len(unanswerable) + 1) * (1 - rate) - 1e-9)
    if place > len(values):
        raise SettingsError(
            f"{counted(len(values), 'unanswerable question', verb='are')} too few for a false-answer rate of {rate:g}",
            remedy=f"use {math.ceil(1 / rate) - 1} or more, or a higher rate",
        )
    return math.nextafter(values[place - 1], math.inf)


def calibrate(
    retriever: Any,
    dataset: Dataset,
    *,
    rate: float = 0.05,
    progress: Tick | None = None,
) -> Calibration:
    """Fit the threshold for a retriever (``rag.build_retriever``) on a dataset's questions.

    Args:
        rate: false-answer rate, between 0 and 1.

    Raises:
        SettingsError: there are too few questions.
        SourceError: no question finds a wrong passage.
    """
    settings = retriever.settings
    share = _share_of_terms(retriever)
    lifter = Lifter(dataset, retriever.index)
    pairs: list[tuple[float | None, float | None]] = []
    alone = 0
    for query, text in ticking(dataset.queries.items(), progress):
        relevant = set(dataset.relevant(query))
        result = retriever.search(text)
        found_by_name = [(lifter.of_record(c.record), c) for c in result.candidates]
        others = [candidate for name, candidate in found_by_name if name not in relevant]
        if share is None:
            best = max((candidate.confidence for candidate in result.candidates), default=None)
            wrong = max((candidate.confidence for candidate in others), default=None)
        else:
            best, wrong = share(text, result.candidates, result.windows), share(text, others, result.windows)
        alone += bool(relevant) and wrong is None
        pairs.append((best if relevant else None, wrong))
    found = fit(pairs, rate)
    found.fingerprint = score_fingerprint(retriever.index, retriever.reranker, settings)
    found.notes.append(
        "unanswerable questions are the dataset's questions without their relevant documents; an unjudged document "
        "that does answer counts as wrong, which makes the threshold stricter"
    )
    if alone:
        found.notes.append(f"{counted(alone, 'question')} found only relevant documents and give no unanswerable score")
    return found


def _share_of_terms(retriever: Any) -> Callable[..., float | None] | None:
    """Return the engine's function for relative scores (fused, without a reranker); None if it compares scores."""
    settings = retriever.settings
    if retriever.reranker is not None or settings.retrieval.fusion not in RELATIVE:
        return None
    floor = Floor(retriever.index)

    def share(question: str, candidates: Sequence[Any], windows: Any) -> float | None:
        passages = merge_windows(candidates, windows, limit=settings.retrieval.top_n)
        return floor.confidence(question, passages) if passages else None

    return share


def fit(pairs: Sequence[tuple[float | None, float | None]], rate: float) -> Calibration:
    """Fit on pairs of (best score of a question, best score without its relevant documents), None if it found nothing.

    >>> fitted = fit([(0.9, 0.3), (0.8, 0.2), (0.7, 0.1), (0.6, 0.2)], rate=0.25)
    >>> 0.3 < fitted.below < 0.31, fitted.answered
    (True, 1.0)
    """
    wrong = [score for _, score in pairs if score is not None]
    right = [score for score, _ in pairs if score is not None]
    if not wrong:
        raise SourceError("no question finds a wrong passage", remedy="use a dataset with more documents")
    chosen, notes = _choice(pairs, wrong, rate)
    others = []
    for other in RATES:
        with contextlib.suppress(SettingsError):
            others.append(_choice(pairs, wrong, other)[0])
    return Calibration(
        below=chosen.below,
        rate=rate,
        fingerprint="",
        false_answers=chosen.false_answers,
        answered=chosen.answered,
        answerable=len(right),
        unanswerable=len(wrong),
        notes=notes,
        trade_off=sorted({row.rate: row for row in (*others, chosen)}.values(), key=lambda row: row.rate),
    )


def _choice(
    pairs: Sequence[tuple[float | None, float | None]], wrong: Sequence[float], rate: float
) -> tuple[ThresholdChoice, list[str]]:
    """Return the threshold of a rate with its held-out shares, and a note if nothing could be held out."""
    below = fit_threshold(wrong, rate)
    order = np.random.default_rng(0).permutation(len(pairs))
    halves = [[pairs[i] for i in order[start::2]] for start in (0, 1)]
    false, answered, notes = [], [], []
    for train, test in (halves, halves[::-1]):
        try:
            limit = fit_threshold([score for _, score in train if score is not None], rate)
        except SettingsError:
            notes = ["too few questions to hold half of them out: the figures are from the questions it was fitted on"]
            limit, test = below, list(pairs)
        false += [score >= limit for _, score in test if score is not None]
        answered += [score >= limit for score, _ in test if score is not None]
    return ThresholdChoice(rate, below, float(np.mean(false)), float(np.mean(answered)) if answered else 0.0), notes


def to_toml(found: Calibration) -> str:
    """Return the ``[answer]`` lines for a rag.toml, with the figures as comments.

    >>> print(to_toml(fit([(0.9, 0.1 + i / 400) for i in range(120)], rate=0.05)))
    # false-answer rate: 0.05; held out, 0.0500 of 120 unanswerable and
    # 1.0000 of 120 answerable ones are answered
    [answer]
    abstain_below = 0.38500000000000006
    abstain_fingerprint = ""
    """
    return (
        f"# false-answer rate: {found.rate:g}; held out, {found.false_answers:.4f} of {found.unanswerable} "
        f"unanswerable and\n# {found.answered:.4f} of {found.answerable} answerable ones are answered\n"
        f"[answer]\nabstain_below = {found.below!r}\nabstain_fingerprint = {json.dumps(found.fingerprint)}\n"
    )
