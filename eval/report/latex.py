"""A comparison as a LaTeX table (booktabs): superscripts name the runs that a run beats significantly."""

from __future__ import annotations

import string

from eval.comparing.compare import Comparison
from eval.measure.metrics import shown
from eval.report.rows import method
from indexes.display import one_line

_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def latex(comparison: Comparison) -> str:
    r"""Return one ``table`` environment, which needs ``\usepackage{booktabs}``. Best values are bold.

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> runs = [Run("a", {"q1": [("d1", 0.9)]}), Run("b_1", {"q1": [("d2", 0.9)]})]
    >>> print(*latex(compare(runs, {"q1": {"d1": 1}}, ["RR@10"])).splitlines()[5:9], sep="\n")
         & Run & MRR@10 \\
        \midrule
        a & a & \textbf{1.0000} \\
        b & b\_1 & 0.0000 \\
    """
    letters = dict(zip((run.name for run in comparison.runs), _letters(len(comparison.runs)), strict=True))
    best = {m: max(run.mean[m] for run in comparison.runs) for m in comparison.measures}
    rows = []
    for run in comparison.runs:
        cells = [letters[run.name], escape(run.name)]
        for measure in comparison.measures:
            value = f"{run.mean[measure]:.4f}"
            value = rf"\textbf{{{value}}}" if run.mean[measure] == best[measure] else value
            beaten = "".join(sorted(letters[name] for name in _beaten(comparison, run.name, measure)))
            cells.append(rf"{value}$^{{\mathrm{{{beaten}}}}}$" if beaten else value)
        if comparison.runs[0].latency:
            cells.append(f"{run.latency['total'][0]:.1f}" if "total" in run.latency else "--")
        rows.append(" & ".join(cells) + r" \\")
    head = [
        "",
        "Run",
        *(escape(shown(measure)) for measure in comparison.measures),
        *(["p50 ms"] if comparison.runs[0].latency else []),
    ]
    title = f"{comparison.title}: superscripts" if comparison.title else "Superscripts"
    caption = f"{title} name the runs that a run beats significantly. {method(comparison)}."
    return "\n".join(
        [
            r"\begin{table}[tb]",
            r"  \centering",
            rf"  \caption{{{escape(caption)}}}",
            rf"  \begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}",
            r"    \toprule",
            "    " + " & ".join(head) + r" \\",
            r"    \midrule",
            *("    " + row for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escape(text: str) -> str:
    """Escape text for LaTeX.

    >>> escape("top_k & 5 %")
    'top\\\\_k \\\\& 5 \\\\%'
    """
    return "".join(_SPECIAL.get(char, char) for char in one_line(text))


def _beaten(comparison: Comparison, name: str, measure: str) -> list[str]:
    """Return the runs that ``name`` beats significantly, in either direction of comparison."""
    found = []
    for difference in comparison.differences:
        if difference.measure != measure or difference.p_holm >= comparison.alpha:
            continue
        better = difference.paired.difference > 0
        if name == (difference.run if better else difference.against):
            found.append(difference.against if better else difference.run)
    return found


def _letters(count: int) -> list[str]:
    alphabet = string.ascii_lowercase
    return [alphabet[n] if n < 26 else alphabet[n // 26 - 1] + alphabet[n % 26] for n in range(count)]
