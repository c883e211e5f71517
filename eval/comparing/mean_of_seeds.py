"""Treat several runs as one, for example those of models trained with different seeds.

A single training is one random draw: compared by one run each, two ways of training may differ by chance alone. The
mean of four seeds, taken question by question, halves that random part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from eval.measure.runs import Run
from indexes.display import counted
from indexes.errors import SettingsError

PerQuery = dict[str, dict[str, float]]  # measure -> query -> value


@dataclass(frozen=True, slots=True)
class Repeats:
    """Two or more runs of one dataset under one name.

    Raises:
        SettingsError: there are fewer than two.

    >>> len(Repeats("tuned", (Run("seed 1", {}), Run("seed 2", {}))).runs)
    2
    """

    name: str
    runs: tuple[Run, ...]

    def __post_init__(self) -> None:
        if len(self.runs) < 2:
            raise SettingsError(
                f"{self.name!r} is a mean of {counted(len(self.runs), 'run')}", remedy="name two or more"
            )


def mean_values(members: Sequence[PerQuery]) -> PerQuery:
    """Return each query's mean over the runs, for the queries with a value in all of them.

    >>> mean_values([{"RR@10": {"q1": 1.0, "q2": 0.5}}, {"RR@10": {"q1": 0.5}}])
    {'RR@10': {'q1': 0.75}}
    """
    first, *rest = members
    return {
        measure: {
            query: fmean([value, *(other[measure][query] for other in rest)])
            for query, value in values.items()
            if all(query in other[measure] for other in rest)
        }
        for measure, values in first.items()
    }


def repeats_note(name: str, measure: str, means: Sequence[float]) -> str:
    """Return a note on the spread of the runs, which intervals and p values do not include.

    >>> print(repeats_note("tuned", "RR@10", [0.5, 0.7]))
    tuned is the mean of 2 runs (RR@10 0.5000, 0.7000; standard deviation 0.1414); intervals and p values are over
    queries, and do not include the spread of the runs
    """
    values = ", ".join(f"{value:.4f}" for value in means)
    return (
        f"{name} is the mean of {counted(len(means), 'run')} ({measure} {values}; "
        f"standard deviation {stdev(means):.4f}); "
        "intervals and p values are over queries, and do not include the spread of the runs"
    )
