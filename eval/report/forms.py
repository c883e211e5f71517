"""The formats of a comparison by name; each is a function from a ``Comparison`` to text."""

from __future__ import annotations

import json
from collections.abc import Callable

from eval.comparing.compare import Comparison
from eval.report.html import html
from eval.report.latex import latex
from eval.report.markdown import markdown
from eval.report.terminal import terminal


def to_json(comparison: Comparison) -> str:
    """Return the comparison as JSON, without per-query values (they are in the runs).

    >>> from eval.comparing.compare import compare
    >>> from eval.measure.runs import Run
    >>> runs = [Run("a", {"q1": [("d1", 0.9)]}), Run("b", {"q1": [("d2", 0.9)]})]
    >>> json.loads(to_json(compare(runs, {"q1": {"d1": 1}}, ["RR@10"])))["verdicts"][0]["decision"]
    'no evidence'
    """
    return json.dumps(comparison.as_dict(), ensure_ascii=False, indent=2)


FORMS: dict[str, Callable[[Comparison], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "latex": latex,
    "json": to_json,
    "html": html,
}
