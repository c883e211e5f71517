"""Milliseconds of runs: quantiles per stage, and whether two runs differ by more than noise.

Runs are timed one after the other on a machine that does other work too, so a difference of two medians says little.
Here the questions are divided into ten blocks in the order they were asked. The medians of the same block in both runs
are compared, and the interval follows from the spread of these ten differences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.measure.runs import Run
from indexes.plain import Plain

TOTAL = "total"
BLOCKS = 10
T_VALUE = 2.262  # Student's t, two-sided 95 %, BLOCKS - 1 degrees of freedom
LATENCY = (
    "milliseconds: the medians of ten blocks of questions are compared block by block, with a 95 % t interval over the "
    "blocks; it cannot show a load that lasted a whole run, so repeat the runs on a quiet machine before deciding by "
    "milliseconds"
)


@dataclass(frozen=True, slots=True)
class Slower(Plain):
    """Milliseconds per question by which one run is slower than another, with the 95 % interval.

    >>> print(Slower(12.5, low=10.0, high=15.0))
    +12.5 ms per question (p50; +10.0 to +15.0, at equal load)
    >>> print(Slower(0.5, low=-1.0, high=2.0))
    milliseconds within the noise (p50 -1.0 to +2.0)
    """

    difference: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        if self.is_certain:
            return f"{self.difference:+.1f} ms per question (p50; {self.low:+.1f} to {self.high:+.1f}, at equal load)"
        return f"milliseconds within the noise (p50 {self.low:+.1f} to {self.high:+.1f})"


def latency(run: Run, queries: Sequence[str] | None = None) -> dict[str, tuple[float, float]]:
    """Return stage -> (p50, p95) milliseconds over the queries, with the sum of a question's stages as "total".

    >>> latency(Run("base", {}, timings_ms={"q1": {"encode": 5.0, "search": 2.0}}))
    {'encode': (5.0, 5.0), 'search': (2.0, 2.0), 'total': (7.0, 7.0)}
    """
    rows = [run.timings_ms[q] for q in (queries or run.timings_ms) if run.timings_ms.get(q)]
    stages = dict.fromkeys(stage for row in rows for stage in row)
    found = {stage: _quantiles([row[stage] for row in rows if stage in row]) for stage in stages if stage != TOTAL}
    if rows:
        found[TOTAL] = _quantiles([total(row) for row in rows])
    return found


def total(stages: dict[str, float]) -> float:
    """Return the sum of a question's stages in milliseconds.

    >>> total({"encode": 5.0, "search": 2.0})
    7.0
    """
    return sum(ms for stage, ms in stages.items() if stage != TOTAL)


def slower(new: Run, old: Run) -> Slower | None:
    """Return how much slower ``new`` is than ``old``; None if fewer than 20 questions were timed in both.

    >>> old = Run("old", {}, timings_ms={f"q{i}": {"search": 10.0} for i in range(20)})
    >>> new = Run("new", {}, timings_ms={f"q{i}": {"search": 12.0} for i in range(20)})
    >>> slower(new, old).difference, slower(new, Run("not timed", {})) is None
    (2.0, True)
    """
    common = [q for q in old.timings_ms if old.timings_ms[q] and new.timings_ms.get(q)]
    if len(common) < 2 * BLOCKS:
        return None
    rows = np.array([[total(new.timings_ms[q]), total(old.timings_ms[q])] for q in common])
    differences = [float(np.subtract(*np.median(part, axis=0))) for part in np.array_split(rows, BLOCKS)]
    reach = T_VALUE * float(np.std(differences, ddof=1)) / math.sqrt(BLOCKS)
    centre = float(np.mean(differences))
    return Slower(round(centre, 3), round(centre - reach, 3), round(centre + reach, 3))


def _quantiles(values: Sequence[float]) -> tuple[float, float]:
    p50, p95 = np.quantile(np.asarray(values, dtype=np.float64), [0.5, 0.95])
    return round(float(p50), 3), round(float(p95), 3)
