"""gate: check in CI whether a change made a run worse.

A measure has regressed if its mean dropped by more than ``max_drop`` *and* the drop is significant (paired
randomisation test, Holm-corrected over the measures). Exit codes of ``rag-eval gate``: 0 passed, 1 regression, 2 wrong
usage or settings, 3 the runs cannot be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.comparing.significance import SEED, Paired, holm, paired, smallest_visible
from eval.measure.metrics import Measure, Qrels, parse_measures
from eval.measure.runs import Run
from indexes.errors import RagWrightError, SettingsError

PASSED, REGRESSED, UNUSABLE, INCOMPARABLE = 0, 1, 2, 3


class GateError(RagWrightError):
    """The two runs cannot be compared. Its exit code differs from that of a regression, so that CI can tell.

    >>> GateError("the runs have no query in common", remedy="name two runs over one dataset").exit_code
    3
    """

    exit_code = INCOMPARABLE


@dataclass(slots=True)
class GateCheck:
    """One measure of the run against the baseline.

    >>> qrels = {f"q{i}": {"d": 1} for i in range(8)}
    >>> before, after = (Run(name, {q: [(d, 0.9)] for q in qrels}) for name, d in (("before", "d"), ("after", "x")))
    >>> [check] = gate(before, after, qrels, ["RR@10"])
    >>> check.regressed, check.sentence()
    (True, 'RR@10: 1.0000 -> 0.0000 (-1.0000, 95 % -1.0000 to -1.0000, p = 0.0078, 0/0/8)')

    Args:
        before, after: means of the baseline and of the run.
        visible: smallest drop that these queries would show with 80 % power; None with fewer than two queries.
    """

    measure: str
    before: float
    after: float
    paired: Paired
    p_holm: float
    regressed: bool
    visible: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the check as plain data for JSON."""
        return {
            "measure": self.measure,
            "before": self.before,
            "after": self.after,
            **self.paired.as_dict(),
            "p_holm": self.p_holm,
            "regressed": self.regressed,
            "visible_drop": self.visible,
        }

    def sentence(self) -> str:
        """Return one line: means before and after, difference with interval, p, and wins/ties/losses."""
        p = self.paired
        head = f"{self.measure}: {self.before:.4f} -> {self.after:.4f} ({p.difference:+.4f}"
        return f"{head}, 95 % {p.low:+.4f} to {p.high:+.4f}, p = {self.p_holm:.4f}, {p.wins}/{p.ties}/{p.losses})"


def gate(
    baseline: Run,
    run: Run,
    qrels: Qrels,
    measures: Sequence[str | Measure] = ("nDCG@10",),
    *,
    max_drop: float = 0.0,
    alpha: float = 0.05,
    seed: int = SEED,
) -> list[GateCheck]:
    """Compare a run with a baseline, measure by measure; the gate fails if any check has ``regressed``.

    A query of the baseline that is missing from the run scores 0.

    Args:
        max_drop: largest drop of a mean that is allowed, in the measure's unit (0.01 is one point of nDCG).
        alpha: a drop is significant if its corrected p value is below this.
        seed: random seed of the tests.

    Raises:
        SettingsError: ``max_drop`` is negative.
        GateError: the runs are of different datasets, or share no judged query.

    >>> qrels = {f"q{i}": {"d1": 1} for i in range(20)}
    >>> old = Run("old", {query: [("d1", 1.0)] for query in qrels})
    >>> new = Run("new", {query: [("d2", 2.0), ("d1", 1.0)] for query in qrels})
    >>> [check.regressed for check in gate(old, new, qrels, ["RR@10", "Hit@10"])]
    [True, False]
    """
    if max_drop < 0:
        raise SettingsError(f"--max-drop {max_drop} is negative", remedy="give the allowed drop, such as 0.01")
    if baseline.dataset and run.dataset and baseline.dataset != run.dataset:
        raise GateError(
            f"{baseline.name!r} and {run.name!r} were made on different datasets or splits "
            f"({baseline.dataset} and {run.dataset})",
            remedy="measure both on the same dataset and split",
        )
    kept = {query: judged for query, judged in qrels.items() if query in baseline.results}
    if not kept or not any(query in run.results for query in kept):
        raise GateError(
            f"{baseline.name!r} and {run.name!r} share no judged query", remedy="measure both on the same dataset"
        )
    wanted = [str(measure) for measure in parse_measures(measures)]
    before = baseline.score(kept, wanted)
    after = run.score(kept, wanted)
    found, visible = [], []
    for measure in wanted:
        old, new = before.per_query[measure], after.per_query[measure]
        # A window measure of a pipeline that lost its windows holds fewer queries: those score 0.
        column = np.array([new.get(query, 0.0) - value for query, value in old.items()])
        found.append(paired(column, seed=seed)[0])
        visible.append(smallest_visible(column))
    corrected = holm([result.p for result in found])
    return [
        GateCheck(
            measure,
            before.mean[measure],
            before.mean[measure] + result.difference,
            result,
            p,
            regressed=result.difference < -max_drop and p < alpha,
            visible=seen,
        )
        for measure, result, p, seen in zip(wanted, found, corrected, visible, strict=True)
    ]
