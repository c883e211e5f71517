"""Cells, notes and the sentence on the method, shared by all reports."""

from __future__ import annotations

from eval.comparing.compare import Comparison, Difference, Scored
from eval.comparing.latency import TOTAL
from eval.comparing.significance import p_text
from eval.measure.metrics import legend, shown
from indexes.display import counted

MARKS = {"keep": "+", "drop": "-", "no worse": "=", "no evidence": "="}
DIFFERENCE_HEAD = (
    "run",
    "against",
    "measure",
    "difference",
    "relative",
    "95 % interval",
    "p (Holm)",
    "win / tie / loss",
)


def method(comparison: Comparison) -> str:
    """Return one sentence on how the numbers were computed.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> runs = [Run(name, {"q1": [("d1", 0.9)]}) for name in ("a", "b")]
    >>> print(method(compare(runs, {"q1": {"d1": 1}}, ["nDCG@10"])))
    1 query; intervals: paired bootstrap, 10,000 resamples; p: two-sided paired randomisation test, 10,000 permutations
     or exact, one comparison per measure; significant below 0.05; verdicts by NDCG@10; NDCG@10 is TREC's nDCG@10
    """
    steps = len(comparison.verdicts)
    over = f"Holm-corrected over {steps} comparisons" if steps > 1 else "one comparison"
    names = legend(comparison.measures)
    return (
        f"{counted(comparison.queries, 'query')}; intervals: paired bootstrap, 10,000 resamples; p: two-sided paired "
        f"randomisation test, 10,000 permutations or exact, {over} per measure; significant below "
        f"{comparison.alpha:g}; verdicts by {shown(comparison.measures[0])}{f'; {names}' if names else ''}"
    )


POWER = (
    "queries needed: n = ((1.960 + 0.842) x s / d)^2 for 80 % power at two-sided 5 %, with d the observed mean "
    "difference and s the standard deviation of the differences over queries; an order of magnitude, since d is itself "
    "an estimate"
)


def relative(difference: float, before: float) -> str:
    """Return a difference relative to the value before it, "-" if that is 0.

    >>> relative(0.05, 0.40), relative(0.05, 0.0)
    ('+12.5%', '-')
    """
    return f"{difference / before:+.1%}" if before else "-"


def _mean(comparison: Comparison, found: Difference) -> float:
    """Return the mean of the run that a difference is compared with."""
    return next(run.mean[found.measure] for run in comparison.runs if run.name == found.against)


def mark(comparison: Comparison, difference: Difference | None) -> str:
    """Return "+" for a significant win, "-" for a significant loss, "" otherwise.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> qrels = {f"q{i}": {"d1": 1} for i in range(8)}
    >>> runs = [Run(name, {q: [(name, 0.9)] for q in qrels}) for name in ("d2", "d1")]
    >>> found = compare(runs, qrels, ["RR@10"])
    >>> mark(found, found.difference("d1", "RR@10"))
    '+'
    """
    if difference is None or difference.p_holm >= comparison.alpha:
        return ""
    return "+" if difference.paired.difference > 0 else "-"


def difference_cells(comparison: Comparison, found: Difference) -> list[str]:
    """Return the cells of a row in the table of differences.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> qrels = {f"q{i}": {"d1": 1} for i in range(8)}
    >>> runs = [Run(name, {q: [(name, 0.9)] for q in qrels}) for name in ("d2", "d1")]
    >>> found = compare(runs, qrels, ["RR@10"])
    >>> difference_cells(found, found.differences[0])
    ['d1', 'd2', 'MRR@10', '+1.0000', '-', '+1.0000 to +1.0000', '0.0078 *', '8 / 0 / 0']
    """
    numbers = found.paired
    return [
        found.run,
        found.against,
        shown(found.measure),
        f"{numbers.difference:+.4f}",
        relative(numbers.difference, _mean(comparison, found)),
        f"{numbers.low:+.4f} to {numbers.high:+.4f}",
        p_text(found.p_holm) + (" *" if found.p_holm < comparison.alpha else ""),
        f"{numbers.wins} / {numbers.ties} / {numbers.losses}",
    ]


def stages(comparison: Comparison) -> list[str]:
    """Return the stages of all runs in the order they run, the total last.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> timed = {"q1": {"encode": 5.0, "search": 10.0}}
    >>> runs = [Run(name, {"q1": [("d1", 0.9)]}, timings_ms=timed) for name in ("a", "b")]
    >>> stages(compare(runs, {"q1": {"d1": 1}}, ["RR@10"]))
    ['encode', 'search', 'total']
    """
    seen = dict.fromkeys(stage for run in comparison.runs for stage in run.latency if stage != TOTAL)
    return [*seen, TOTAL] if any(run.latency for run in comparison.runs) else []


def latency_cell(run: Scored, stage: str) -> str:
    """Return "p50 / p95" in milliseconds, "-" if the run does not have this stage.

    >>> run = Scored("a", {}, {}, latency={"search": (10.0, 25.5)}, curve=[])
    >>> latency_cell(run, "search"), latency_cell(run, "rerank")
    ('10.0 / 25.5', '-')
    """
    if stage not in run.latency:
        return "-"
    p50, p95 = run.latency[stage]
    return f"{_ms(p50)} / {_ms(p95)}"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
