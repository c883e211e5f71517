"""A comparison for the terminal: verdicts first, since they answer the question."""

from __future__ import annotations

from collections.abc import Sequence

from eval.comparing.compare import Comparison
from eval.measure.metrics import shown
from eval.report.rows import DIFFERENCE_HEAD, POWER, difference_cells, latency_cell, mark, method, stages
from eval.report.table import table
from indexes.display import one_line


def terminal(comparison: Comparison) -> str:
    r"""Return verdicts, means, differences, latencies, warnings and notes as plain text.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> runs = [Run("a", {"q1": [("d1", 0.9)]}), Run("b", {"q1": [("d2", 0.9)]})]
    >>> print(*terminal(compare(runs, {"q1": {"d1": 1}}, ["RR@10"])).splitlines()[2:5], sep="\n")
    run   MRR@10
    a    1.0000
    b    0.0000
    """
    parts = [one_line(comparison.title)] if comparison.title else []
    parts.append("\n".join(one_line(f"{v.run} over {v.against}: {v.sentence}") for v in comparison.verdicts))
    means: list[Sequence[object]] = []
    for run in comparison.runs:
        cells = (
            f"{run.mean[m]:.4f}{mark(comparison, comparison.difference(run.name, m)):<1}" for m in comparison.measures
        )
        means.append([run.name, *cells])
    parts.append(table(["run", *map(shown, comparison.measures)], means))
    parts.append(table(list(DIFFERENCE_HEAD), [difference_cells(comparison, d) for d in comparison.differences]))
    if names := stages(comparison):
        rows = [[run.name, *(latency_cell(run, stage) for stage in names)] for run in comparison.runs]
        parts.append(table(["ms, p50 / p95", *names], rows))
    parts += (
        ["\n".join(one_line(f"warning: {warning}") for warning in comparison.warnings)] if comparison.warnings else []
    )
    notes = [*comparison.notes, method(comparison), POWER]
    return "\n\n".join([*parts, "\n".join(one_line(f"note: {note}") for note in notes)])
