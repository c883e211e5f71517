"""Several runs as one: a pipeline that was trained again with other seeds, say, and is judged by its mean.

One training is one draw. Where two ways of training are compared by a single run of each, chance in the training counts
as much as the way; the mean over seeds, question by question, halves it with four of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from eval.measure.runs import Run
from indexes.errors import SettingsError

PerQuery = dict[str, dict[str, float]]  # measure -> query -> value


@dataclass(frozen=True, slots=True)
class Repeats:
    """Two or more runs of one dataset under one name.

    Raises:
        SettingsError: there are fewer than two.
    """

    name: str
    runs: tuple[Run, ...]

    def __post_init__(self) -> None:
        if len(self.runs) < 2:
            raise SettingsError(f"{self.name!r} is the mean of {len(self.runs)} runs", remedy="name two or more")


def mean_values(members: Sequence[PerQuery]) -> PerQuery:
    """Each query's mean over the runs, of the queries that all of them have a value for."""
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
    """How far the runs are apart, and what the p values say of it: nothing."""
    values = ", ".join(f"{value:.4f}" for value in means)
    return (
        f"{name} is the mean of {len(means)} runs ({measure} {values}; standard deviation {stdev(means):.4f}); "
        "intervals and p values are over queries, for these very runs"
    )
