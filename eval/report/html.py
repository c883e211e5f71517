"""A comparison as one self-contained HTML page, light and dark: inline style and SVG, no scripts, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence

from eval.comparing.compare import Comparison
from eval.comparing.significance import p_sign
from eval.measure.metrics import shown
from eval.report import plots
from eval.report.rows import DIFFERENCE_HEAD, POWER, difference_cells, latency_cell, mark, method, stages
from eval.report.table import escape
from indexes.display import counted

MAX_PLOTS = 12  # per-query plots: one per comparison, each with one bar per query

_STYLE = """
:root{--bg:#fff;--fg:#1c2430;--soft:#5a6675;--line:#dfe4ea;--panel:#f6f8fa;--good:#137a4b;--bad:#b3372f;--even:#6b7480;
--c0:#2563a8;--c1:#c2571a;--c2:#2c8a57;--c3:#8a4fa8;--c4:#a8842a;--c5:#2a8f9c;--c6:#b0426f;--c7:#5c6470}
@media(prefers-color-scheme:dark){:root{--bg:#14181e;--fg:#e4e9f0;--soft:#9aa6b5;--line:#323b47;--panel:#1c222b;
--good:#5cc98f;--bad:#f08a80;--even:#a3adb9;--c0:#6aa9ec;--c1:#f09a5c;--c2:#67c793;--c3:#c592e0;--c4:#dcb95e;--c5:#63c6d3;
--c6:#ea86ae;--c7:#a9b2be}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:2rem 1.25rem 4rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK SC","PingFang SC",sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.25rem 0 .6rem}
h3{font-size:.95rem;font-weight:600;margin:0 0 .4rem}p{margin:.3rem 0}.soft{color:var(--soft)}
.verdicts{display:grid;gap:.6rem;padding:0;list-style:none}
.verdicts li{border:1px solid var(--line);border-left:5px solid var(--even);border-radius:6px;padding:.6rem .9rem;
background:var(--panel)}
.verdicts .keep{border-left-color:var(--good)}.verdicts .drop{border-left-color:var(--bad)}
.verdicts .no-worse{border-left-color:var(--good)}
.badge{display:inline-block;font-weight:600;font-size:.85rem;margin-right:.6rem;color:var(--even)}
.keep .badge{color:var(--good)}.drop .badge{color:var(--bad)}
.warning{border:1px solid var(--bad);border-radius:6px;padding:.5rem .9rem;margin:.5rem 0;color:var(--bad)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem;min-width:60%}
th,td{padding:.32rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child,.text{text-align:left}thead th{color:var(--soft);font-weight:600}
.up{color:var(--good)}.down{color:var(--bad)}.best{font-weight:700}.first td{border-top:2px solid var(--line)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:1rem}
.plot{border:1px solid var(--line);border-radius:6px;padding:.8rem;background:var(--panel);min-width:0}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px;font-family:inherit}
svg .name{font-size:12px}svg .label{fill:var(--fg);font-size:12px}
.grid{stroke:var(--line);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}
.mean{stroke:var(--fg);stroke-width:1.5;stroke-dasharray:5 4}
.win{fill:var(--good)}.loss{fill:var(--bad)}.line{fill:none;stroke-width:2}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1rem;margin:.5rem 0 0;padding:0;list-style:none;font-size:.88rem}
.swatch{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em;vertical-align:-.05em}
"""
_COLOURS = "".join(
    f".line.c{n}{{stroke:var(--c{n})}}.dot.c{n}{{fill:var(--c{n})}}.swatch.c{n}{{background:var(--c{n})}}"
    for n in range(plots.COLOURS)
)
_WORDS = {"keep": "Keep", "drop": "Drop", "no worse": "No worse", "no evidence": "No evidence"}


def html(comparison: Comparison) -> str:
    """Return the whole page as HTML: one file, which loads nothing and can be sent by mail.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> runs = [Run("a", {"q1": [("d1", 0.9)]}), Run("<b>", {"q1": [("d2", 0.9)]})]
    >>> page = html(compare(runs, {"q1": {"d1": 1}}, ["RR@10"], title="Two runs"))
    >>> "<h1>Two runs</h1>" in page, "<b>" in page, "http" in page  # escaped, and nothing is loaded
    (True, False, False)
    """
    title = comparison.title or "Comparison"
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(title)}</title><style>{_STYLE}{_COLOURS}</style></head><body>",
        f'<header><h1>{escape(title)}</h1><p class="soft">{counted(len(comparison.runs), "run")}, '
        f"{counted(comparison.queries, 'query')}, "
        f"verdicts by {escape(shown(comparison.measures[0]))}</p></header>",
        *(f'<p class="warning">Warning: {escape(warning)}</p>' for warning in comparison.warnings),
        "<main>",
        _verdicts(comparison),
        "<h2>Measures</h2>",
        _means(comparison),
        _plots(comparison),
        "<h2>Differences</h2>",
        _differences(comparison),
        _latency(comparison),
        "<h2>How to read this</h2><ul>",
        *(f"<li>{escape(note)}</li>" for note in (*comparison.notes, method(comparison), POWER)),
        "</ul></main></body></html>\n",
    ]
    return "\n".join(parts)


def _verdicts(comparison: Comparison) -> str:
    items = []
    for verdict in comparison.verdicts:
        sentence = verdict.sentence.partition(": ")[2] if verdict.decision != "no evidence" else verdict.sentence
        items.append(
            f'<li class="{verdict.decision.replace(" ", "-")}"><span class="badge">{_WORDS[verdict.decision]}</span>'
            f"<strong>{escape(verdict.run)}</strong> over {escape(verdict.against)}<p>{escape(sentence)}</p></li>"
        )
    return f'<h2>Verdicts</h2><ul class="verdicts">{"".join(items)}</ul>'


def _means(comparison: Comparison) -> str:
    best = {m: max(run.mean[m] for run in comparison.runs) for m in comparison.measures}
    rows = []
    for number, run in enumerate(comparison.runs):
        cells = [f'<td><span class="swatch c{number % plots.COLOURS}"></span>{escape(run.name)}</td>']
        for measure in comparison.measures:
            found = comparison.difference(run.name, measure)
            sign = mark(comparison, found)
            classes = ["best"] if run.mean[measure] == best[measure] else []
            classes += {"+": ["up"], "-": ["down"], "": []}[sign]
            arrow = {"+": " ▲", "-": " ▼", "": ""}[sign]
            tip = f' title="p {p_sign(found.p_holm)} against {escape(found.against)}"' if found else ""
            cells.append(f'<td class="{" ".join(classes)}"{tip}>{run.mean[measure]:.4f}{arrow}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return _table(["run", *map(shown, comparison.measures)], rows) + (
        '<p class="soft">▲ ▼ significantly better or worse than the run it is compared with; bold: best.</p>'
    )


def _differences(comparison: Comparison) -> str:
    rows, last = [], ""
    for difference in comparison.differences:
        cells = difference_cells(comparison, difference)
        colour = {"+": "up", "-": "down", "": ""}[mark(comparison, difference)]
        inner = "".join(
            f'<td class="{"text" if place < 3 else colour if place in (3, 5) else ""}">{escape(cell)}</td>'
            for place, cell in enumerate(cells)
        )
        rows.append(f"<tr{' class=first' if last and last != difference.measure else ''}>{inner}</tr>")
        last = difference.measure
    return _table(DIFFERENCE_HEAD, rows, text=3)


def _latency(comparison: Comparison) -> str:
    names = stages(comparison)
    if not names:
        return ""
    rows = [
        "<tr>" + "".join(f"<td>{escape(c)}</td>" for c in (run.name, *(latency_cell(run, s) for s in names))) + "</tr>"
        for run in comparison.runs
    ]
    return f"<h2>Latency per stage, milliseconds (p50 / p95)</h2>{_table(['run', *names], rows)}"


def _plots(comparison: Comparison) -> str:
    legend = "".join(
        f'<li><span class="swatch c{number % plots.COLOURS}"></span>{escape(run.name)}</li>'
        for number, run in enumerate(comparison.runs)
    )
    boxes = [_box("Precision against recall", plots.precision_recall(comparison) + f'<ul class="legend">{legend}</ul>')]
    if timed := plots.quality_latency(comparison):
        boxes.append(_box("Quality against latency: up and to the left is better", timed))
    measure = comparison.measures[0]
    for verdict in comparison.verdicts[:MAX_PLOTS]:
        heading = f"{verdict.run} over {verdict.against}, query by query"
        boxes.append(_box(heading, plots.per_query(comparison, verdict.run, verdict.against, measure)))
    more = len(comparison.verdicts) - MAX_PLOTS
    note = f'<p class="soft">{more} further comparisons are not plotted.</p>' if more > 0 else ""
    return f'<h2>Plots</h2><div class="plots">{"".join(boxes)}</div>{note}'


def _box(heading: str, inner: str) -> str:
    return f'<section class="plot"><h3>{escape(heading)}</h3>{inner}</section>'


def _table(head: Sequence[str], rows: Sequence[str], *, text: int = 1) -> str:
    cells = "".join(f'<th{" class=text" if n < text else ""} scope="col">{escape(h)}</th>' for n, h in enumerate(head))
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
