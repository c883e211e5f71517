"""Forgetting: what training on one dataset costs on others, which is always measured.

Two small datasets come with the package (``eval/finetune/probes``: English and Chinese, written for it); name more with
``--also``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eval.comparing.significance import Paired, p_sign, paired
from eval.datasets import Dataset, load_dataset
from eval.finetune.training.request import MAX_LOSS
from eval.measure.metrics import score
from eval.measure.runs import Run
from indexes.errors import SettingsError, SourceError

MEASURES = ("MAP", "RR@10", "nDCG@10")  # the first one decides
PROBES = ("probe_en", "probe_zh")
WEAK = 0.2  # nDCG@10 of the base: below it, the dataset is in a language or field unknown to the base
WEAK_NOTE = f"the base hardly works there (NDCG@10 below {WEAK}): only a significant loss counts"


@dataclass(slots=True)
class Loss:
    """The loss on one other dataset: each measure before and after.

    >>> queries = {f"q{i}": f"Question {i}?" for i in range(8)}
    >>> faq = Dataset("faq", {}, queries, {query: {"d1": 1} for query in queries})
    >>> same = {run_key(faq): Run("base", {query: [("d1", 1.0)] for query in queries})}
    >>> worse = {run_key(faq): Run("tuned", {query: [("x", 1.0), ("d1", 0.5)] for query in queries})}
    >>> [loss] = losses(same, worse, [faq])
    >>> loss.relative(), loss.too_much, loss.significant
    (-0.5, True, True)

    Args:
        name, queries, hash: name, number of queries and hash of the dataset.
        before, after: measure -> mean.
        paired: measure -> after minus before over the queries.
        too_much: whether the first measure dropped by more than the allowed share.
        significant: whether it dropped with a p value below alpha (two-sided, and not corrected, since a false warning
            is better than a missed loss).
        weak: whether the base finds hardly anything there, so that only a significant loss counts.
        notes: notes on the dataset and the measurement.
    """

    name: str
    queries: int
    hash: str
    before: dict[str, float]
    after: dict[str, float]
    paired: dict[str, Paired]
    too_much: bool
    significant: bool
    weak: bool = False
    notes: list[str] = field(default_factory=list)

    def relative(self, measure: str = MEASURES[0]) -> float:
        """Return (after - before) / before: -0.02 is a loss of 2 %; 0.0 if nothing was found before."""
        return _share(self.paired[measure].difference, self.before[measure])

    def interval(self, measure: str = MEASURES[0]) -> tuple[float, float]:
        """Return the 95 % interval of the relative change: that of the difference, divided by the mean before."""
        found = self.paired[measure]
        return _share(found.low, self.before[measure]), _share(found.high, self.before[measure])

    def sentence(self) -> str:
        """Return the loss as one line, for a warning."""
        measure, (low, high) = MEASURES[0], self.interval()
        p = self.paired[measure].p
        return (
            f"{self.name}: {measure} {self.before[measure]:.4f} -> {self.after[measure]:.4f} ({self.relative():+.1%}, "
            f"95 % {low:+.1%} to {high:+.1%}, p {p_sign(p)})"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the loss as plain data for JSON."""
        rows = {}
        for measure, found in self.paired.items():
            low, high = self.interval(measure)
            rows[measure] = {
                "before": self.before[measure],
                "after": self.after[measure],
                "relative": self.relative(measure),
                "relative_low": low,
                "relative_high": high,
                **found.as_dict(),
            }
        own = {"name": self.name, "queries": self.queries, "hash": self.hash, "measures": rows}
        flags = {"too_much": self.too_much, "significant": self.significant, "weak": self.weak}
        return own | flags | {"notes": self.notes}


def probes() -> list[Dataset]:
    """Return the packaged datasets, one English and one Chinese, on which all tuned models are measured.

    >>> [dataset.name for dataset in probes()]
    ['probe_en', 'probe_zh']
    """
    return [load_dataset(Path(__file__).parents[1] / "probes" / name) for name in PROBES]


def others(also: Sequence[str | Path] = (), *, test: Dataset | None = None) -> list[Dataset]:
    """Return the packaged datasets and those of ``--also`` (their split "test").

    >>> [(dataset.name, len(dataset.queries)) for dataset in others()]  # those that come with the package
    [('probe_en', 120), ('probe_zh', 101)]

    Raises:
        SettingsError: one of them is ``test`` itself, or named twice.
        SourceError: one cannot be read, or has no documents.
    """
    found = probes()
    for path in also:
        dataset = load_dataset(path)
        if not dataset.corpus:
            raise SourceError(f"--also {path} has no documents", remedy="name a dataset with its corpus")
        if test is not None and dataset.hash == test.hash:
            raise SettingsError(f"--also {path} is the dataset to train for", remedy="name other datasets with --also")
        if any(dataset.hash == other.hash for other in found):
            raise SettingsError(f"--also {path} is named twice or packaged", remedy="name each dataset once")
        if test is not None and dataset.corpus_hash == test.corpus_hash:
            dataset.notes.append("its documents are those of the training dataset, so it does not show forgetting")
        found.append(dataset)
    return found


def losses(
    base: Mapping[str, Run],
    tuned: Mapping[str, Run],
    datasets: Sequence[Dataset],
    *,
    max_loss: float = MAX_LOSS,
    alpha: float = 0.05,
) -> list[Loss]:
    """Compare the runs of two models on other datasets; the mappings are those of ``scorer.score_all``.

    >>> queries = {f"q{i}": f"Question {i}?" for i in range(8)}
    >>> faq = Dataset("faq", {}, queries, {query: {"d1": 1} for query in queries})
    >>> same = {run_key(faq): Run("base", {query: [("d1", 1.0)] for query in queries})}
    >>> worse = {run_key(faq): Run("tuned", {query: [("x", 1.0), ("d1", 0.5)] for query in queries})}
    >>> [loss.sentence() for loss in losses(same, worse, [faq])]
    ['faq: MAP 1.0000 -> 0.5000 (-50.0%, 95 % -50.0% to -50.0%, p = 0.0078)']

    Args:
        max_loss: largest relative loss of the first measure that is allowed.
    """
    if not 0 <= max_loss < 1:
        raise SettingsError(
            f"max_loss = {max_loss} is not a share", remedy="use a number between 0 and 1, such as 0.025"
        )
    found = []
    for dataset in datasets:
        before = score(base[run_key(dataset)].results, dataset.qrels, MEASURES)
        after = score(tuned[run_key(dataset)].results, dataset.qrels, MEASURES)
        columns = [[after.per_query[m][q] - value for q, value in before.per_query[m].items()] for m in MEASURES]
        results = dict(zip(MEASURES, paired(np.array(columns).T), strict=True))
        first = results[MEASURES[0]]
        significant, weak = first.difference < 0 and first.p < alpha, before.mean["nDCG@10"] < WEAK
        loss = Loss(
            dataset.name,
            len(dataset.qrels),
            dataset.hash,
            before.mean,
            after.mean,
            results,
            too_much=_share(first.difference, before.mean[MEASURES[0]]) < -max_loss and (significant or not weak),
            significant=significant,
            weak=weak,
            notes=[*dataset.notes, *([WEAK_NOTE] if weak else [])],
        )
        found.append(loss)
    return found


def run_key(dataset: Dataset) -> str:
    """Return the key and folder name of a dataset's run: its name and the first digits of its hash.

    >>> run_key(Dataset("faq", {}, {"q1": "When?"}, {"q1": {"d1": 1}}))
    'faq-5bcd1f'
    """
    return f"{dataset.name}-{dataset.hash[:6]}"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
