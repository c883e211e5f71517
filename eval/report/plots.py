"""Plots as inline SVG without scripts, fonts or external files. Colours come from the page's style sheet.

Each function returns one ``<svg>`` whose shapes have the classes ``c0``, ``c1``, ... (one per run), ``axis``, ``grid``,
``win``, ``loss`` and ``tie``, and a ``<title>`` per mark, which browsers show as a tooltip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from eval.comparing.compare import LEVELS, Comparison
from eval.comparing.latency import TOTAL
from eval.measure.metrics import shown
from eval.report.table import escape

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 66, 16, 14, 44
COLOURS = 8  # classes c0 to c7, then c0 again


def precision_recall(comparison: Comparison) -> str:
    """Plot the interpolated precision at eleven recall levels, one line per run.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> runs = [Run(name, {"q1": [("d1", 0.9)]}) for name in ("a", "b")]
    >>> svg = precision_recall(compare(runs, {"q1": {"d1": 1}}, ["RR@10"]))
    >>> svg.count("<polyline"), "a: precision 1.000 at recall 0.5" in svg
    (2, True)
    """
    frame = _Frame((0.0, 1.0), (0.0, 1.0))
    marks = []
    for number, run in enumerate(comparison.runs):
        points = list(zip(LEVELS, run.curve, strict=True))
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
        marks.append(f'<polyline class="line c{number % COLOURS}" points="{path}"/>')
        marks += [
            f'<circle class="dot c{number % COLOURS}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3">'
            f"<title>{escape(run.name)}: precision {y:.3f} at recall {x:.1f}</title></circle>"
            for x, y in points
        ]
    return frame.svg("recall", "precision", marks, "Precision against recall")


def per_query(comparison: Comparison, run: str, against: str, measure: str) -> str:
    """Plot the sorted differences per query: how many queries win or lose, and whether a few decide the mean.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> runs = [Run("a", {"q1": [("d2", 0.9)]}), Run("b", {"q1": [("d1", 0.9)]})]
    >>> svg = per_query(compare(runs, {"q1": {"d1": 1}}, ["RR@10"]), "b", "a", "RR@10")
    >>> "q1: 0.000 to 1.000 (+1.000)" in svg
    True
    """
    rows = {scored.name: scored.per_query[measure] for scored in comparison.runs}
    new, old = rows[run], rows[against]
    values = sorted(((new[q] - old[q], q) for q in new if q in old), reverse=True)
    reach = max((abs(value) for value, _ in values), default=0.0) or 1.0
    frame = _Frame((0.0, float(max(1, len(values)))), (-reach, reach))
    width = (WIDTH - LEFT - RIGHT) / max(1, len(values))
    gap = 0.15 * width if width > 3 else 0.0
    marks = []
    for place, (value, query) in enumerate(values):
        if abs(value) < 1e-9:
            continue
        top, bottom = sorted((frame.y(value), frame.y(0.0)))
        tip = f"{query}: {old[query]:.3f} to {new[query]:.3f} ({value:+.3f})"
        marks.append(
            f'<rect class="{"win" if value > 0 else "loss"}" x="{frame.x(place) + gap / 2:.2f}" y="{top:.2f}" '
            f'width="{max(0.4, width - gap):.2f}" height="{bottom - top:.2f}"><title>{escape(tip)}</title></rect>'
        )
    zero = frame.y(0.0)
    marks.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}"/>')
    mean = sum(value for value, _ in values) / max(1, len(values))
    level = frame.y(mean)
    marks.append(
        f'<line class="mean" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}">'
        f"<title>mean {mean:+.4f}</title></line>"
    )
    return frame.svg("queries, best change first", f"change in {shown(measure)}", marks, f"{run} against {against}")


def quality_latency(comparison: Comparison) -> str:
    """Plot the first measure against the median milliseconds per question; "" if no run has timings.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> runs = [Run(name, {"q1": [("d1", 0.9)]}) for name in ("a", "b")]
    >>> quality_latency(compare(runs, {"q1": {"d1": 1}}, ["RR@10"]))  # no timings, no plot
    ''
    """
    measure = comparison.measures[0]
    points = [
        (run.latency[TOTAL][0], run.mean[measure], run.name, number)
        for number, run in enumerate(comparison.runs)
        if TOTAL in run.latency
    ]
    if not points:
        return ""
    xs, ys = [x for x, *_ in points], [y for _, y, *_ in points]
    frame = _Frame((0.0, max(xs) * 1.25 or 1.0), _padded(min(ys), max(ys)))
    marks, taken = [], list[tuple[float, float]]()
    for x, y, name, number in sorted(points, key=lambda point: -point[1]):  # labels that collide move down
        px, py = frame.x(x), frame.y(y)
        marks.append(
            f'<circle class="dot c{number % COLOURS}" cx="{px:.1f}" cy="{py:.1f}" r="6">'
            f"<title>{escape(name)}: {y:.4f} {escape(shown(measure))}, {x:.1f} ms</title></circle>"
        )
        left = px > WIDTH - 150
        label = py + 4
        while any(abs(label - other) < 13 and abs(px - where) < 150 for where, other in taken):
            label += 13
        taken.append((px, label))
        anchor = f'x="{px - 10:.1f}" text-anchor="end"' if left else f'x="{px + 10:.1f}"'
        marks.append(f'<text class="label" {anchor} y="{label:.1f}">{escape(_short(name))}</text>')
    return frame.svg("milliseconds per question (p50)", shown(measure), marks, "Quality against latency")


class _Frame:
    """Axes with ticks at round numbers; ``x`` and ``y`` map values to coordinates."""

    def __init__(self, xs: tuple[float, float], ys: tuple[float, float]) -> None:
        self.xs, self.ys = xs, ys

    def x(self, value: float) -> float:
        low, high = self.xs
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.ys
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def svg(self, across: str, up: str, marks: Sequence[str], title: str) -> str:
        grid = []
        for value in _ticks(*self.ys):
            y = self.y(value)
            grid.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            grid.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>')
        for value in _ticks(*self.xs):
            x = self.x(value)
            grid.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
            place = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}"'
            grid.append(f'<text class="tick" {place} text-anchor="middle">{_number(value)}</text>')
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        height = TOP + (HEIGHT - TOP - BOTTOM) / 2
        names = [
            f'<text class="name" x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>',
            f'<text class="name" transform="translate(13 {height:.0f}) rotate(-90)" text-anchor="middle">{escape(up)}'
            "</text>",
        ]
        head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        return "".join([head, *grid, *marks, *names, "</svg>"])


def _ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Return about ``wanted`` round values within [low, high]."""
    rough = (high - low) / wanted
    base = 10.0 ** math.floor(math.log10(rough))
    step = next(base * factor for factor in (1, 2, 2.5, 5, 10) if base * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [step * n for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _padded(low: float, high: float) -> tuple[float, float]:
    room = max((high - low) * 0.25, 0.005)
    return max(0.0, low - room), high + room


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) >= 0.001 else "0" if abs(value) < 1e-9 else f"{value:.1e}"


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
