"""A comparison in Markdown, for a pull request or a wiki."""

from __future__ import annotations

from eval.comparing.compare import Comparison
from eval.measure.metrics import shown
from eval.report.rows import DIFFERENCE_HEAD, POWER, difference_cells, latency_cell, mark, method, stages
from eval.report.table import pipes, plain

_SIGNS = {"+": " ▲", "-": " ▼", "": ""}


def markdown(comparison: Comparison) -> str:
    r"""Return verdicts, tables of means, differences and latencies, and notes as Markdown.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> runs = [Run("a", {"q1": [("d1", 0.9)]}), Run("b", {"q1": [("d2", 0.9)]})]
    >>> print(*markdown(compare(runs, {"q1": {"d1": 1}}, ["RR@10"])).splitlines()[5:9], sep="\n")
    | --- | ---: |
    | a | **1.0000** |
    | b | 0.0000 |
    """
    lines = [f"## {plain(comparison.title or 'Comparison')}", ""]
    lines += [f"- **{plain(v.run)}** over {plain(v.against)}: {plain(v.sentence)}" for v in comparison.verdicts]
    lines += ["", *(f"> **Warning:** {plain(warning)}\n" for warning in comparison.warnings)]
    best = {m: max(run.mean[m] for run in comparison.runs) for m in comparison.measures}
    rows = []
    for run in comparison.runs:
        cells = []
        for measure in comparison.measures:
            value = f"{run.mean[measure]:.4f}"
            value = f"**{value}**" if run.mean[measure] == best[measure] else value
            cells.append(value + _SIGNS[mark(comparison, comparison.difference(run.name, measure))])
        rows.append([plain(run.name), *cells])
    lines += pipes(["run", *map(shown, comparison.measures)], rows)
    lines += ["", "▲ ▼ significantly better or worse; bold: best.", ""]
    lines += pipes(DIFFERENCE_HEAD, [_named(difference_cells(comparison, d)) for d in comparison.differences])
    if names := stages(comparison):
        timed = [[plain(run.name), *(latency_cell(run, stage) for stage in names)] for run in comparison.runs]
        lines += ["", *pipes(["ms, p50 / p95", *names], timed)]
    lines += ["", *(f"- {plain(note)}" for note in (*comparison.notes, method(comparison), POWER))]
    return "\n".join(lines) + "\n"


def _named(cells: list[str]) -> list[str]:
    """Escape the first two cells: names of runs, which users choose freely."""
    return [*map(plain, cells[:2]), *cells[2:]]
