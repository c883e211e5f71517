"""A comparison in Markdown, for a pull request or a wiki."""

from __future__ import annotations

from collections.abc import Sequence

from eval.comparing.compare import Comparison
from eval.report.rows import DIFFERENCE_HEAD, POWER, difference_cells, latency_cell, mark, method, stages

_SIGNS = {"+": " ▲", "-": " ▼", "": ""}


def markdown(comparison: Comparison) -> str:
    """Verdicts, one table of means, one of differences, one of latencies, and the notes."""
    lines = [f"## {_plain(comparison.title or 'Comparison')}", ""]
    lines += [f"- **{_plain(v.run)}** over {_plain(v.against)}: {_plain(v.sentence)}" for v in comparison.verdicts]
    lines += ["", *(f"> **Warning:** {_plain(warning)}\n" for warning in comparison.warnings)]
    best = {m: max(run.mean[m] for run in comparison.runs) for m in comparison.measures}
    rows = []
    for run in comparison.runs:
        cells = []
        for measure in comparison.measures:
            value = f"{run.mean[measure]:.4f}"
            value = f"**{value}**" if run.mean[measure] == best[measure] else value
            cells.append(value + _SIGNS[mark(comparison, comparison.difference(run.name, measure))])
        rows.append([run.name, *cells])
    lines += _table(["run", *comparison.measures], rows)
    lines += ["", "▲ ▼ significantly better or worse; bold: best.", ""]
    lines += _table(DIFFERENCE_HEAD, [difference_cells(comparison, d) for d in comparison.differences])
    if names := stages(comparison):
        timed = [[run.name, *(latency_cell(run, stage) for stage in names)] for run in comparison.runs]
        lines += ["", *_table(["ms, p50 / p95", *names], timed)]
    lines += ["", *(f"- {_plain(note)}" for note in (*comparison.notes, method(comparison), POWER))]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    left = ["---", *["---:"] * (len(head) - 1)]
    # The marks are ours; names are the user's.
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, left, *rows)]


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
